import { deviceId, maxRecipients, userId } from "@sotto/schema";
import * as z from "zod/mini";
import { EnvelopeError } from "../crypto/errors.ts";
import { sealEnvelope } from "../crypto/seal-envelope.ts";
import { SottoError, invalidInput } from "../errors.ts";
import type { Session } from "../session.ts";
import { defineRecord } from "../storage/records.ts";
import type { StoreWrite } from "../storage/store.ts";
import type { Participants } from "./participants.ts";
import type { Outgoing, Sealed } from "./sent-message.ts";

/** The last counter that this device took in a conversation. */
export const counterRecord = defineRecord("counter", z.number());

export interface SealedOutgoing {
  sealed: Sealed;
  counter: number;
  /** To be committed together with `sealed`. */
  writes: StoreWrite[];
}

interface Sealing {
  clientMessageId: string;
  participants: Participants;
  signal: AbortSignal;
}

/**
 * Seals a message for the present devices of everyone in the conversation.
 * Throws `NO_USABLE_KEYS`, `NO_POST_QUANTUM_KEYS`, `TOO_MANY_DEVICES`, `PAYLOAD_TOO_LARGE`.
 */
export async function sealOutgoing(
  session: Session,
  message: Outgoing,
  { clientMessageId, participants, signal }: Sealing,
): Promise<SealedOutgoing> {
  const { account, directory, store } = session;
  const { conversationId, userIds } = participants;
  const devices = await directory.listMany(userIds, { signal });
  // The sending one gets no wrap.
  if (devices.length > maxRecipients + 1) {
    // Whoever tries again, because one is gone, must not be told of those of before.
    for (const id of userIds) directory.forget(id);
    throw new SottoError("TOO_MANY_DEVICES", { details: { devices: devices.length, max: maxRecipients } });
  }
  const last = await counterRecord.get(store, conversationId);
  const counter = message.counter ?? (last ?? 0) + 1;
  const { body, wraps, unreachable, kem } = await asSottoError(
    sealEnvelope({
      conversationId,
      messageId: clientMessageId,
      counter,
      payload: message.payload,
      devices,
      sender: account.keys,
      now: session.now(),
      pq: session.pq,
    }),
  );
  const recipients = wraps.map(({ wrap, listVersion, ...address }) => ({
    userId: userId.parse(address.userId),
    deviceId: deviceId.parse(address.deviceId),
    wrap,
    listVersion,
  }));
  const others = new Set(userIds.filter((id) => id !== session.me.userId));
  const recipientCount = recipients.filter(({ userId: id }) => others.delete(id)).length;
  const sealed = { conversationId, body, recipients, unreachable, kem, recipientCount };
  requireReachable(session, message, sealed);
  const writes = message.counter === null ? [counterRecord.put([conversationId], counter)] : [];
  return { sealed, counter, writes };
}

/** Somebody must be able to read it; a group may be empty but for its sender. */
function requireReachable({ me }: Session, { destination }: Outgoing, sealed: Sealed): void {
  const { recipients, unreachable } = sealed;
  const ofOthers = recipients.filter(({ userId }) => userId !== me.userId);
  if (ofOthers.some(({ wrap }) => wrap !== "")) return;
  if (destination.kind === "group" && ofOthers.length === 0) return;
  const isForPolicy = unreachable.some(
    ({ userId, reason }) => userId !== me.userId && reason === "no_post_quantum_key",
  );
  throw new SottoError(isForPolicy ? "NO_POST_QUANTUM_KEYS" : "NO_USABLE_KEYS", { details: { unreachable } });
}

async function asSottoError<T>(sealing: Promise<T>): Promise<T> {
  try {
    return await sealing;
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    if (error.code === "oversize") throw new SottoError("PAYLOAD_TOO_LARGE", { cause: error });
    throw invalidInput("payload", error);
  }
}

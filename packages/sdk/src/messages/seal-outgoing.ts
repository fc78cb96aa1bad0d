import { deviceId, maxRecipients, userId } from "@sotto/schema";
import { EnvelopeError } from "../crypto/errors.ts";
import { sealEnvelope } from "../crypto/seal-envelope.ts";
import { SottoError, invalidInput } from "../errors.ts";
import type { Session } from "../session.ts";
import type { Participants } from "./participants.ts";
import { type SendingNumbers, takeNumbers } from "./sending-numbers.ts";
import type { Outgoing, Sealed } from "./sent-message.ts";

export interface SealedOutgoing extends SendingNumbers {
  sealed: Sealed;
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
  const numbers = await takeNumbers(store, conversationId, message.counter);
  const { body, wraps, unreachable, kem } = await asSottoError(
    sealEnvelope({
      conversationId,
      messageId: clientMessageId,
      counter: numbers.counter,
      payload: message.payload,
      refused: numbers.refused,
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
  return { sealed, ...numbers };
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

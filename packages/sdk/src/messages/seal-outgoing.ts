import { type ConversationId, type UserId, conversationId, deviceId, userId } from "@sotto/schema";
import * as z from "zod";
import { EnvelopeError } from "../crypto/errors.ts";
import { sealEnvelope } from "../crypto/seal-envelope.ts";
import { SottoError, invalidInput } from "../errors.ts";
import type { Session } from "../session.ts";
import { defineRecord } from "../storage/records.ts";
import type { StoreWrite } from "../storage/store.ts";
import type { Outgoing, Sealed } from "./sent-message.ts";

/** The last counter that this device took in a conversation. */
const counterRecord = defineRecord("counter", z.number());
const conversationRecord = defineRecord("conversation", conversationId);

export interface SealedOutgoing {
  sealed: Sealed;
  counter: number;
  /** To be committed together with `sealed`. */
  writes: StoreWrite[];
}

/**
 * Seals a message for the present devices of both users.
 * Throws `NO_USABLE_KEYS`, `NO_POST_QUANTUM_KEYS`, `PAYLOAD_TOO_LARGE`.
 */
export async function sealOutgoing(
  session: Session,
  message: Outgoing,
  options: { clientMessageId: string; signal: AbortSignal },
): Promise<SealedOutgoing> {
  const { clientMessageId, signal } = options;
  const { account, directory, me } = session;
  const peer = message.peerUserId;
  const conversation = await findConversation(session, peer, signal);
  const [theirs, ours] = await Promise.all([
    directory.list(peer, { signal }),
    directory.list(me.userId, { signal }),
  ]);
  const last = await counterRecord.get(session.store, conversation);
  const counter = message.counter ?? (last ?? 0) + 1;
  const { body, wraps, unreachable, kem } = await asSottoError(
    sealEnvelope({
      conversationId: conversation,
      messageId: clientMessageId,
      counter,
      payload: { kind: "text", text: message.text, sentAtMs: message.sentAtMs },
      devices: [...theirs, ...ours],
      sender: account.keys,
      now: session.now(),
      pq: session.pq,
    }),
  );
  const recipients = wraps.map(({ wrap, ...address }) => ({
    userId: userId.parse(address.userId),
    deviceId: deviceId.parse(address.deviceId),
    wrap,
  }));
  if (recipients.every(({ userId, wrap }) => userId !== peer || wrap === "")) {
    const isForPolicy = unreachable.some(
      ({ userId, reason }) => userId === peer && reason === "no_post_quantum_key",
    );
    throw new SottoError(isForPolicy ? "NO_POST_QUANTUM_KEYS" : "NO_USABLE_KEYS", {
      details: { unreachable },
    });
  }
  const writes = message.counter === null ? [counterRecord.put([conversation], counter)] : [];
  return { sealed: { body, recipients, unreachable, kem }, counter, writes };
}

/** The direct conversation with a user, made on the server when there is none. */
export async function findConversation(
  session: Session,
  peer: UserId,
  signal?: AbortSignal,
): Promise<ConversationId> {
  const known = await conversationRecord.get(session.store, peer);
  if (known !== undefined) return known;
  const { id, userA, userB } = await session.api.call(
    (server, options) => server.conversations.open.mutate({ peerUserId: peer }, options),
    signal,
  );
  const members = new Set([userA, userB]);
  if (!members.has(peer) || !members.has(session.me.userId)) throw new SottoError("BAD_ANSWER");
  await session.store.commit([conversationRecord.put([peer], id)]);
  return id;
}

async function asSottoError<T>(sealing: Promise<T>): Promise<T> {
  try {
    return await sealing;
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    if (error.code === "oversize") throw new SottoError("PAYLOAD_TOO_LARGE", { cause: error });
    throw invalidInput("text", error);
  }
}

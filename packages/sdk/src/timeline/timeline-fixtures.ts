/** For tests only: opened messages, without a server. */
import { type ConversationId, type UserId, conversationId, deviceId, messageId, userId } from "@sotto/schema";
import type { KnownPayload } from "../crypto/payload.ts";
import type { OpenedMessage, ReceivedMessage } from "../messages/received-message.ts";
import { Draft } from "../storage/draft.ts";
import type { Store } from "../storage/store.ts";
import { newConversation } from "./identify-conversation.ts";
import { Placing, type Source } from "./place.ts";
import { conversationRecord } from "./records.ts";

const id = (kind: string, n: number) => `0197a2f0-${kind}-7000-8000-${n.toString(16).padStart(12, "0")}`;

export const conversation: ConversationId = conversationId.parse(id("0001", 1));
export const elsewhere: ConversationId = conversationId.parse(id("0001", 2));
export const alice: UserId = userId.parse(id("0002", 1));
export const bob: UserId = userId.parse(id("0002", 2));
/** Bob reads. */
export const me = { userId: bob, deviceId: deviceId.parse(id("0003", 2)) };
export const clientId = (n: number): string => id("0004", n);

/** The n-th message of the log, said by its sender's device. */
export function said(senderUserId: UserId, n: number, payload: KnownPayload): OpenedMessage {
  return {
    ...payload,
    id: messageId.parse(id("0005", n)),
    conversationId: conversation,
    senderUserId,
    senderDeviceId: deviceId.parse(id("0003", senderUserId === bob ? 9 : 1)),
    sentAt: timeOf(n),
    isOwn: senderUserId === bob,
    clientMessageId: clientId(n),
    assurance: "signed",
    kem: "x25519",
  };
}

export const timeOf = (n: number): string => new Date(Date.UTC(2026, 0, 1) + n * 1000).toISOString();

/** The same as it comes to a device that it is not sealed for. */
export function sealedElsewhere(message: OpenedMessage): ReceivedMessage {
  const { senderUserId, senderDeviceId, sentAt, isOwn } = message;
  return {
    kind: "unreadable",
    reason: "not_for_this_device",
    id: message.id,
    conversationId: message.conversationId,
    senderUserId,
    senderDeviceId,
    sentAt,
    isOwn,
  };
}

/** Makes the conversation known, without a message. */
export async function begin(store: Store, peerUserId: UserId | null = alice): Promise<void> {
  await store.commit([conversationRecord.put([conversation], newConversation({ peerUserId }, 0))]);
}

export async function arrive(
  store: Store,
  messages: readonly (readonly [seq: number, message: ReceivedMessage])[],
  source: Source = "stream",
): Promise<void> {
  const draft = new Draft(store);
  const placing = new Placing(draft, { source, me });
  for (const [seq, message] of messages) {
    await placing.message(message, { conversationId: conversation, seq, at: timeOf(seq) });
  }
  await store.commit(draft.writes);
}

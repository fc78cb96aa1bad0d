/** What the store holds of conversations. Everything here is written in the commit of the position that it was read at. */
import type { ConversationId, DeviceId, GroupAction, MessageId, UserId } from "@sotto/schema";
import * as z from "zod/mini";
import type { KemName } from "../crypto/kems.ts";
import type { FilePayload, TextPayload, UnknownPayload } from "../crypto/payload.ts";
import type { UnreadableReason } from "../messages/received-message.ts";
import { defineRecord } from "../storage/records.ts";
import type { Overlay } from "./overlay.ts";

/** What a message said when it came. Of a deleted one nothing is left. */
export type StoredContent =
  | TextPayload
  | FilePayload
  | UnknownPayload
  | { kind: "opaque"; ciphertext: string }
  | { kind: "unreadable"; reason: UnreadableReason }
  | { kind: "deleted" }
  | {
      kind: "group";
      action: GroupAction;
      userIds: UserId[];
      name: string | null;
      role: "admin" | "member" | null;
    };

/** One place of a conversation's log that is shown. */
export interface StoredMessage {
  /** null: it is no message, but says what happened to the group. */
  id: MessageId | null;
  senderUserId: UserId;
  senderDeviceId: DeviceId | null;
  /** By the server's clock, RFC 3339. */
  sentAt: string;
  /** null: whoever sent it signed no id. */
  clientMessageId: string | null;
  assurance: "signed" | "basic" | null;
  kem: KemName | null;
  content: StoredContent;
  overlay: Overlay;
  /** Counted as unread, until it is read or deleted. */
  isUnread: boolean;
  /** Of one's own: how many users have it. */
  receipts: Receipts | null;
}

export interface Receipts {
  /** Users that it was sealed for; null: sent by another device, which does not say. */
  recipients: number | null;
  delivered: number;
  read: number;
}

export interface StoredConversation {
  isGroup: boolean;
  /** null for a group. */
  peerUserId: UserId | null;
  /** A group's, as last heard. */
  name: string | null;
  /** The newest message's number, or 0, and its time. */
  lastSeq: number;
  lastMessageAt: string | null;
  unreadCount: number;
  /** Read up to here, by this device's `markRead`. */
  readThrough: number;
  /** What is stored begins above this number; null: where is not known yet. */
  floor: number | null;
  /** What this user may see begins above this number; null: not known yet. */
  start: number | null;
}

// Stored by this client, and so of their types.
const stored = <T>() => z.custom<T>((value) => typeof value === "object" && value !== null);

/** By conversation and number in its log. */
export const messageRecord = defineRecord("message", stored<StoredMessage>());
export const conversationRecord = defineRecord("conversation", stored<StoredConversation>());
/** Where a message is, by conversation, sender and the sender's own id; with `change`, one that changes another. */
export const placeRecord = defineRecord("place", z.number());
/** Where a message is, by the server's id; 0 for one that changes another. */
export const idRecord = defineRecord(
  "message-id",
  z.object({ conversationId: z.custom<ConversationId>(), seq: z.number() }),
);
/** What came before the message that it is about, by conversation and `author/clientMessageId` or the server's id. */
export const orphanRecord = defineRecord("orphan", stored<Overlay>());
/** Who has received or read one's own message: by the server's id, kind and user. */
export const receiptRecord = defineRecord("receipt", z.literal(1));

import type { ConversationId, DeviceId, GroupAction, MessageId, UserId } from "@sotto/schema";
import type { KemName } from "../crypto/kems.ts";
import type { FilePayload, TextPayload, UnknownPayload } from "../crypto/payload.ts";
import type { SottoErrorCode } from "../errors.ts";
import type { Me } from "../identity/account.ts";
import type { Unplaced } from "../messages/outgoing-queue.ts";
import type { UnreadableReason } from "../messages/received-message.ts";
import { emptyOverlay, groupReactions } from "./overlay.ts";
import type { Receipts, StoredContent, StoredMessage } from "./records.ts";

/** What a message shows now, its last edit included. */
export type MessageContent =
  | TextPayload
  | FilePayload
  | UnknownPayload
  /** A third-party client's ciphertext, as it was sent. */
  | { kind: "opaque"; ciphertext: string }
  /** Sealed, and not to be read here; it stays so. */
  | { kind: "unreadable"; reason: UnreadableReason }
  /** Nothing is left of what it said. */
  | { kind: "deleted"; by: "author" | "moderator"; userId: UserId }
  /** No message: what `senderUserId` did to the group, and to whom. */
  | {
      kind: "group";
      action: GroupAction;
      userIds: UserId[];
      name: string | null;
      role: "admin" | "member" | null;
    };

/**
 * How far a message of one's own has come: `sent` once the server has it, `delivered` and `read` once every recipient
 * has: in a group that this device knows too little of (`receipts.recipients` null) it stays `sent`. `failed` says why in `error`; `conversation.retry` sends it once more. Others' are `received`.
 */
export type MessageState = "received" | "queued" | "sent" | "delivered" | "read" | "failed";

/** One line of a conversation as this device shows it. A copy: a later one has the same `key`. */
export interface Message {
  /** Names it in its conversation on this device, from the moment of `send` on. */
  key: string;
  /** null until the server has it, and for what happened to the group. */
  id: MessageId | null;
  /** null: a direct conversation that the server has not made yet. */
  conversationId: ConversationId | null;
  /** Of a direct conversation, the other one; null in a group. */
  peerUserId: UserId | null;
  /** Its number in the conversation's log, which is the order; null until that is known: those come last. */
  seq: number | null;
  /** The sender's own id of it; null where the sender signed none. */
  clientMessageId: string | null;
  senderUserId: UserId;
  senderDeviceId: DeviceId | null;
  isOwn: boolean;
  /** RFC 3339, by the server's clock; by this device's until the server has it. */
  sentAt: string;
  content: MessageContent;
  /** By the author's clock, ms since the epoch; null: never edited. */
  editedAtMs: number | null;
  /** The first given first. */
  reactions: { emoji: string; userIds: UserId[] }[];
  state: MessageState;
  /** Why it failed. */
  error: SottoErrorCode | null;
  /** Of one's own: how many users have it, of how many; `recipients` null: not known. */
  receipts: Receipts | null;
  /** `signed`: proven to be the sender device's. null: not opened. */
  assurance: "signed" | "basic" | null;
  kem: KemName | null;
}

function contentOf({ content, overlay }: Pick<StoredMessage, "content" | "overlay">): MessageContent {
  const { edit, deletion } = overlay;
  switch (content.kind) {
    case "deleted":
      // A deleted one has its deletion.
      return { kind: "deleted", ...(deletion ?? { by: "moderator", userId: "" as UserId }) };
    case "text":
      return edit ? { ...content, text: edit.text } : content;
    case "file":
      return edit ? { ...content, caption: edit.text } : content;
    default:
      return content;
  }
}

/** Of how many that is not known, nobody can say that all have it. */
function stateOf({ recipients, delivered, read }: Receipts): MessageState {
  if (recipients === null || recipients === 0) return "sent";
  if (read >= recipients) return "read";
  return delivered >= recipients ? "delivered" : "sent";
}

/** A message that has its place in the log. */
export function toMessage(
  message: StoredMessage,
  at: { conversationId: ConversationId; peerUserId: UserId | null; seq: number; me: Me },
): Message {
  const { conversationId, peerUserId, seq, me } = at;
  const { clientMessageId, senderUserId, id, overlay } = message;
  const isOwn = senderUserId === me.userId;
  // A direct conversation has one recipient, whichever of this user's devices has sent the message.
  const receipts = message.receipts && {
    ...message.receipts,
    recipients: message.receipts.recipients ?? (peerUserId === null ? null : 1),
  };
  const isEditable = message.content.kind === "text" || message.content.kind === "file";
  return {
    key: isOwn && clientMessageId !== null ? clientMessageId : (id ?? String(seq)),
    id,
    conversationId,
    peerUserId,
    seq,
    clientMessageId,
    senderUserId,
    senderDeviceId: message.senderDeviceId,
    isOwn,
    sentAt: message.sentAt,
    content: contentOf(message),
    editedAtMs: isEditable ? (overlay.edit?.sentAtMs ?? null) : null,
    reactions: groupReactions(overlay),
    state: receipts ? stateOf(receipts) : "received",
    error: null,
    receipts,
    assurance: message.assurance,
    kem: message.kem,
  };
}

/** A message of one's own that has no place yet. Undefined: it changes another one. */
export function toUnplacedMessage({ clientMessageId, message }: Unplaced, me: Me): Message | undefined {
  const { payload, destination, delivered, sealed, refusedForm } = message;
  if (payload.kind === "edit" || payload.kind === "reaction" || payload.kind === "deletion") return undefined;
  const content: StoredContent = payload;
  const form = delivered ?? sealed ?? refusedForm;
  const sentAtMs = payload.kind === "unknown" ? 0 : payload.sentAtMs;
  const group = destination.kind === "group" ? destination.conversationId : null;
  return {
    key: clientMessageId,
    id: delivered?.id ?? null,
    conversationId: form?.conversationId ?? group,
    peerUserId: destination.kind === "direct" ? destination.peerUserId : null,
    seq: null,
    clientMessageId,
    senderUserId: me.userId,
    senderDeviceId: me.deviceId,
    isOwn: true,
    sentAt: delivered?.sentAt ?? new Date(sentAtMs).toISOString(),
    content: contentOf({ content, overlay: emptyOverlay }),
    editedAtMs: null,
    reactions: [],
    state: message.state === "delivered" ? "sent" : message.state,
    error: message.error,
    receipts: delivered && { recipients: delivered.recipientCount, delivered: 0, read: 0 },
    assurance: "signed",
    kem: form?.kem ?? null,
  };
}

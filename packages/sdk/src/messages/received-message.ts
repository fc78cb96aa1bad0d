import type { ConversationId, DeviceId, MessageId, UserId } from "@sotto/schema";
import * as z from "zod/mini";
import type { EnvelopeErrorCode } from "../crypto/errors.ts";
import type { KemName } from "../crypto/kems.ts";
import type {
  DeletionPayload,
  EditPayload,
  FilePayload,
  ReactionPayload,
  TextPayload,
  UnknownPayload,
} from "../crypto/payload.ts";

interface MessageBase {
  id: MessageId;
  conversationId: ConversationId;
  senderUserId: UserId;
  /** Of a third-party client: any label. */
  senderDeviceId: DeviceId;
  /** By the server's clock, RFC 3339. */
  sentAt: string;
  /** Sent by this user, from another device. */
  isOwn: boolean;
}

interface OpenedBase extends MessageBase {
  /** The sender's own id of the message. */
  clientMessageId: string;
  /** `signed`: proven to be the sender device's. `basic`: on the server's word, one side has only a bare key. */
  assurance: "signed" | "basic";
  /** What sealed it for this device (one's own: for the others). `x-wing` also resists quantum computers. */
  kem: KemName;
}

/** `sentAtMs` is by the sender's clock, ms since the epoch; so it is in all that follow. */
export interface TextMessage extends OpenedBase, TextPayload {}

/** A file: what it says of itself, and how to get and open it. */
export interface FileMessage extends OpenedBase, FilePayload {}

/** The sender's own message `target` has a new text. The timeline shows it there. */
export interface EditMessage extends OpenedBase, EditPayload {}

/** The sender put an emoji on the message `target`, or took it back. The timeline shows it there. */
export interface ReactionMessage extends OpenedBase, ReactionPayload {}

/** The sender's own message `target` is deleted for everyone. The timeline shows it there. */
export interface DeletionMessage extends OpenedBase, DeletionPayload {}

/** A payload of a later version: show that there is something, keep the bytes. */
export interface UnknownMessage extends OpenedBase, UnknownPayload {}

/** A third-party client's ciphertext, as it was sent. Not an error: whoever knows its format can read it. */
export interface OpaqueMessage extends MessageBase {
  kind: "opaque";
  ciphertext: string;
}

/** Why a sealed message cannot be read here. */
export type UnreadableReason =
  | EnvelopeErrorCode
  /** It was sealed for other devices: this one was not there yet, or it sent the message and has forgotten it. */
  | "not_for_this_device"
  /** The sending device is unknown, or its key does not verify or is not the pinned one. */
  | "sender_unverified"
  /** The same message came before. */
  | "replayed"
  /** So far behind that it cannot be told from a replay. */
  | "too_old";

/** A sealed message that this device does not accept. It stays so. */
export interface UnreadableMessage extends MessageBase {
  kind: "unreadable";
  reason: UnreadableReason;
}

/** It was deleted before the application consumed it, or changed one that was: nothing is left of what it said. */
export interface DeletedMessage extends MessageBase {
  kind: "deleted";
}

/** A message that was opened and verified. */
export type OpenedMessage =
  | TextMessage
  | FileMessage
  | EditMessage
  | ReactionMessage
  | DeletionMessage
  | UnknownMessage;
/** What `client.messages()` gives: tell them apart by `kind`. */
export type ReceivedMessage = OpenedMessage | OpaqueMessage | UnreadableMessage | DeletedMessage;

/** What stays of a received message that was deleted. */
export function withoutContent(message: ReceivedMessage): DeletedMessage {
  const { id, conversationId, senderUserId, senderDeviceId, sentAt, isOwn } = message;
  return { id, conversationId, senderUserId, senderDeviceId, sentAt, isOwn, kind: "deleted" };
}

/** A message in its conversation: by the server's id, or by sender and the sender's own id. */
export const nameOf = (conversationId: string, ...id: [string] | [UserId, string]): string =>
  [conversationId, ...id].join("/");

/** Which message's deletion takes its content away: its own, or that of the one which it edits. */
export function deletedWith(message: ReceivedMessage): string | undefined {
  switch (message.kind) {
    case "reaction":
    case "deletion":
    case "deleted":
      return undefined;
    case "edit":
      return nameOf(message.conversationId, message.senderUserId, message.target);
    default:
      return nameOf(message.conversationId, message.id);
  }
}

const kinds = new Set<unknown>([
  "text",
  "file",
  "edit",
  "reaction",
  "deletion",
  "unknown",
  "opaque",
  "unreadable",
  "deleted",
]);

/** For the inbox: what this client stored itself. */
export const receivedMessage = z.custom<ReceivedMessage>(
  (value) => typeof value === "object" && value !== null && "kind" in value && kinds.has(value.kind),
);

/** What of a message is kept as its line's content. */
import type { FilePayload } from "../crypto/payload.ts";
import type { FileMessage, ReceivedMessage } from "../messages/received-message.ts";
import type { StoredContent } from "./records.ts";

/** What has a line of its own. */
export type PlacedMessage = Exclude<ReceivedMessage, { kind: "edit" | "reaction" | "deletion" | "deleted" }>;

export function contentOf(message: PlacedMessage): StoredContent {
  switch (message.kind) {
    case "text": {
      const { kind, text, sentAtMs, replyTo } = message;
      return { kind, text, sentAtMs, ...(replyTo ? { replyTo } : {}) };
    }
    case "file":
      return fileOf(message);
    case "unknown": {
      const { kind, type, bytes } = message;
      return { kind, type, bytes };
    }
    case "opaque":
      return { kind: "opaque", ciphertext: message.ciphertext };
    case "unreadable":
      return { kind: "unreadable", reason: message.reason };
  }
}

/** Without what is said of the message that carried it. */
function fileOf(message: FileMessage): FilePayload {
  const {
    id: _id,
    conversationId: _conversation,
    senderUserId: _user,
    senderDeviceId: _device,
    ...rest
  } = message;
  const {
    sentAt: _at,
    isOwn: _own,
    clientMessageId: _name,
    assurance: _assurance,
    kem: _kem,
    ...file
  } = rest;
  return file;
}

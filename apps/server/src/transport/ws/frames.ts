import { toSnakeKeys } from "@sotto/schema";
import { viewEntry, type LogEntry, type Reader } from "../../modules/logs/entries.ts";
import type { FeedEvent } from "../../modules/sync/feed.ts";

/**
 * The `/ws` frame of an event (docs/PROTOCOL.md §6). A connection that does not resume is not told
 * of the messages that it sent itself.
 */
export function toFrame(event: FeedEvent, reader: Reader, options: { resume: boolean }): object | undefined {
  if (event.type === "typing") {
    const { conversationId, ...typing } = event;
    return toSnakeKeys(conversationId === null ? typing : event) as object;
  }
  if (event.type !== "entry") return toSnakeKeys(event) as object;
  if (!options.resume && isOwnMessage(event.entry, reader)) return undefined;
  const { log, seq, event: content } = viewEntry(event.entry, reader);
  switch (content.type) {
    case "message.created":
      return { type: "message", message: toSnakeKeys(content.message), log, seq };
    case "message.delivered":
    case "message.read":
      return {
        type: content.type === "message.read" ? "read" : "delivered",
        message_id: content.messageId,
        ...(content.deviceId === null ? {} : { device_id: content.deviceId }),
        user_id: content.userId,
        log,
        seq,
      };
    case "device_list.changed":
      return { type: "device_list", action: content.change, device_id: content.deviceId, log, seq };
    case "device_list.signed":
      return { type: "device_list", action: "signed", version: content.version, log, seq };
    case "session.opened":
      return { type: "session", action: "opened", session_id: content.sessionId, at: content.at, log, seq };
    case "reaction.added":
    case "reaction.removed": {
      const { type, messageId, emoji, userId } = content;
      const frameType = type === "reaction.added" ? "reaction" : "reaction_removed";
      return { type: frameType, message_id: messageId, emoji, user_id: userId, log, seq };
    }
    case "attachment.added": {
      const { messageId, attachmentId } = content;
      return { type: "attachment", message_id: messageId, attachment_id: attachmentId, log, seq };
    }
    case "message.deleted":
      return { type: "message_deleted", message_id: content.messageId, user_id: content.userId, log, seq };
    case "group.changed": {
      const { type: _, ...change } = content;
      return { type: "group", ...(toSnakeKeys(change) as object), log, seq };
    }
    case "conversation.read": {
      const { conversationId, throughSeq } = content;
      return {
        type: "conversation_read",
        conversation_id: conversationId,
        through_seq: throughSeq,
        log,
        seq,
      };
    }
    case "contact.added":
      return { type: "contact", action: "added", user_id: content.userId, log, seq };
    case "block.changed":
      return {
        type: "block",
        action: content.isBlocked ? "added" : "removed",
        user_id: content.userId,
        log,
        seq,
      };
  }
}

function isOwnMessage({ body }: LogEntry, reader: Reader): boolean {
  if (body.type !== "message.created" || body.message.senderUserId !== reader.userId) return false;
  return reader.deviceId === null || body.message.senderDeviceId === reader.deviceId;
}

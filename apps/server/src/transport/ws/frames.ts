import { toSnakeKeys, type AccountEvent, type ConversationEvent, type LogId } from "@sotto/schema";
import {
  ownPart,
  sharedPart,
  type LogEntry,
  type Reader,
  type StoredMessage,
} from "../../modules/logs/entries.ts";
import type { FeedEvent } from "../../modules/sync/feed.ts";
import { encodeTextFrame } from "./outbox.ts";

/**
 * The `/ws` frame of an event (docs/PROTOCOL.md §6), ready for the network. A connection that does not
 * resume is not told of the messages that it sent itself.
 */
export function frameOf(event: FeedEvent, reader: Reader, options: { resume: boolean }): Buffer | undefined {
  if (event.type !== "entry") return encodeTextFrame("", Buffer.from(JSON.stringify(toNotice(event))));
  const { entry } = event;
  if (!options.resume && isOwnMessage(entry, reader)) return undefined;
  const own = entry.body.type === "message.created" ? startOfMessage(entry.body.message, reader) : "";
  return encodeTextFrame(own, sharedTextOf(entry));
}

function toNotice(event: Exclude<FeedEvent, { type: "entry" }>): unknown {
  if (event.type !== "typing") return toSnakeKeys(event);
  const { conversationId, ...typing } = event;
  return toSnakeKeys(conversationId === null ? typing : event);
}

/** Of an entry: what is the same for all who read it, made once (ADR 0019). */
const sharedTexts = new WeakMap<LogEntry, Buffer>();

function sharedTextOf(entry: LogEntry): Buffer {
  let text = sharedTexts.get(entry);
  if (!text) sharedTexts.set(entry, (text = Buffer.from(shareText(entry))));
  return text;
}

function shareText({ log, seq, body }: LogEntry): string {
  if (body.type !== "message.created") return JSON.stringify(toFrame({ log, seq, content: body }));
  // Goes on where `startOfMessage` ends.
  const message = JSON.stringify(toSnakeKeys(sharedPart(body.message))).slice(1);
  return `${message},${JSON.stringify({ log, seq }).slice(1)}`;
}

function startOfMessage(message: StoredMessage, reader: Reader): string {
  const { recipientUserId, wrap } = ownPart(message, reader);
  return `{"type":"message","message":{"recipient_user_id":"${recipientUserId}","wrap":${JSON.stringify(wrap)},`;
}

interface Described {
  log: LogId;
  seq: number;
  content: AccountEvent | ConversationEvent;
}

function toFrame({ log, seq, content }: Described): object {
  switch (content.type) {
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

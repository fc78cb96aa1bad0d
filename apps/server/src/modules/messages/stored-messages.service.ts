import type { Db } from "../../db/db.ts";
import { conversationLog, deviceKey, type LogEntry, type Reader } from "../logs/entries.ts";
import { listConversationLog, type ConversationLogRow } from "./messages.queries.ts";

/** Names the reader's wrap inside a message's row. */
export function readerKey(reader: Reader) {
  const { userId, deviceId } = reader;
  return { userId, wrapKey: deviceId && deviceKey(userId, deviceId) };
}

/** The entries of a conversation log, for a device that catches up or fills a hole. */
export async function readConversationLog(
  db: Db,
  reader: Reader,
  range: Parameters<typeof listConversationLog>[2],
): Promise<LogEntry[]> {
  const { userId, wrapKey } = readerKey(reader);
  const rows = await listConversationLog(db, { userId, wrapKey }, range);
  return rows.map((row) => ({
    log: conversationLog(row.conversationId),
    seq: row.seq,
    at: row.sentAt.toISOString(),
    body: toBody(row, wrapKey),
  }));
}

function toBody(row: ConversationLogRow, wrapKey: string | null): LogEntry["body"] {
  if (row.event) return row.event;
  const { seq: _, event: _event, isGroup, sentAt, wrap, deletedBy, ...message } = row;
  if (deletedBy) {
    const { conversationId, id: messageId, senderUserId } = message;
    return { type: "message.deleted", conversationId, messageId, userId: deletedBy, senderUserId };
  }
  const wraps = wrap !== null && wrapKey !== null ? { [wrapKey]: wrap } : null;
  const recipientUserId = isGroup ? null : message.recipientUserId;
  return {
    type: "message.created",
    message: { ...message, recipientUserId, sentAt: sentAt.toISOString(), wraps },
  };
}

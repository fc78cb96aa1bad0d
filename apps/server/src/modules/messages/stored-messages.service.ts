import type { Db } from "../../db/db.ts";
import { conversationLog, deviceKey, type LogEntry, type Reader } from "../logs/entries.ts";
import { listMessagesBySeq, type MessageRow } from "./messages.queries.ts";

/** Names the reader's wrap inside a message's row. */
export function readerKey(reader: Reader) {
  const { userId, deviceId } = reader;
  return { userId, wrapKey: deviceId && deviceKey(userId, deviceId) };
}

/** The messages of a conversation log as entries, for a device that catches up or fills a hole. */
export async function listStoredMessages(
  db: Db,
  reader: Reader,
  range: Parameters<typeof listMessagesBySeq>[2],
): Promise<LogEntry[]> {
  const { userId, wrapKey } = readerKey(reader);
  const rows = await listMessagesBySeq(db, { userId, wrapKey }, range);
  return rows.map((row) => toEntry(row, wrapKey));
}

function toEntry(row: MessageRow, wrapKey: string | null): LogEntry {
  const { seq, sentAt, wrap, ...message } = row;
  const at = sentAt.toISOString();
  const wraps = wrap !== null && wrapKey !== null ? { [wrapKey]: wrap } : null;
  return {
    log: conversationLog(row.conversationId),
    seq,
    at,
    body: { type: "message.created", message: { ...message, sentAt: at, wraps } },
  };
}

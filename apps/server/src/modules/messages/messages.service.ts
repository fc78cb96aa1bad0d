import { type ConversationId, type Message, type UserId } from "@sotto/schema";
import type { Db } from "../../db/db.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { listIntervals } from "../conversations/conversations.service.ts";
import { loadAcks } from "../receipts/receipts.service.ts";
import type { MarkKind } from "../receipts/receipts.tables.ts";
import { acknowledge, coveringMembers } from "./acks.service.ts";
import { listUndelivered, type MessageRow } from "./messages.queries.ts";
import { readerKey } from "./stored-messages.service.ts";

/** Messages to me that none of my devices has; marked delivered by this read when asked to. */
export async function getInbox(
  call: Call,
  options: { ackDelivered: boolean; limit: number },
): Promise<{ messages: Message[] }> {
  const { app, caller } = call;
  if (!options.ackDelivered) {
    const rows = await listUndelivered(app.db, readerKey(caller), options.limit);
    return { messages: rows.map((row) => toMessage(row, { delivered: false, read: false })) };
  }
  return transact(call, async (tx, wakes) => {
    const rows = await listUndelivered(tx, readerKey(caller), options.limit);
    const seqs = new Map<ConversationId, number[]>();
    for (const row of rows) {
      const known = seqs.get(row.conversationId);
      if (known) known.push(row.seq);
      else seqs.set(row.conversationId, [row.seq]);
    }
    await acknowledge(call, tx, { wakes, seqs, kind: "delivered", deviceId: caller.deviceId ?? "" });
    return { messages: rows.map((row) => toMessage(row, { delivered: true, read: false })) };
  });
}

/**
 * Adds what was acknowledged to messages of one conversation: by the recipient, and of the reader's
 * own messages in a group by every other member that they were sent to.
 */
export async function withFlags(db: Db, reader: UserId, rows: MessageRow[]): Promise<Message[]> {
  const [first, last] = [rows[0], rows.at(-1)];
  if (!first || !last) return [];
  const page = { fromSeq: first.seq, toSeq: last.seq };
  const isToMany = (row: MessageRow): boolean => row.isGroup && row.senderUserId === reader;
  const intervals = rows.some(isToMany) ? await listIntervals(db, first.conversationId, page) : [];
  const recipients = (row: MessageRow): UserId[] =>
    isToMany(row) ? coveringMembers(intervals, row) : [row.recipientUserId];
  const userIds = [...new Set(rows.flatMap(recipients))];
  const isAcked = await loadAcks(db, first.conversationId, { userIds, ...page });
  return rows.map((row) => {
    const ids = recipients(row);
    const isAckedByAll = (kind: MarkKind): boolean =>
      ids.length > 0 && ids.every((userId) => isAcked(kind, userId, row.seq));
    return toMessage(row, { delivered: isAckedByAll("delivered"), read: isAckedByAll("read") });
  });
}

function toMessage(row: MessageRow, flags: { delivered: boolean; read: boolean }): Message {
  const { seq: _, isGroup: _isGroup, sentAt, ...message } = row;
  return { ...message, ...flags, sentAt: sentAt.toISOString() };
}

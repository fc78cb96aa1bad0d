import type { ConversationId, MessageId, UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import type { Wakes } from "../../pipeline/transact.ts";
import { appendAccountEntry } from "../logs/logs.service.ts";
import {
  findFirstGap,
  findMark,
  insertMark,
  insertSingleMarks,
  listSingleMarks,
  listUncovered,
  listUserMarks,
  type CoveredMessage,
  type MarkOwner,
} from "./receipts.queries.ts";
import type { MarkKind } from "./receipts.tables.ts";

export { listDeviceReceipts } from "./receipts.queries.ts";

/** Most messages that one receipt entry names. */
const maxMessagesPerEntry = 256;

/** Newly acknowledged messages of one kind, to be told to their authors. */
export interface Acknowledged {
  owner: MarkOwner;
  messages: CoveredMessage[];
}

/**
 * "Everything up to `throughSeq`": one mark. The caller holds the membership's row, so that two
 * acks of one user cannot both be first. Gives what it newly covers.
 */
export async function ackThrough(
  tx: Tx,
  owner: MarkOwner,
  ack: { throughSeq: number; at: Date },
): Promise<Acknowledged> {
  const mark = await findMark(tx, owner);
  if (ack.throughSeq <= mark) return { owner, messages: [] };
  const messages = await listUncovered(tx, owner, { afterSeq: mark, throughSeq: ack.throughSeq });
  await insertMark(tx, owner, ack);
  return { owner, messages };
}

/**
 * Acknowledges single messages: the mark moves over those that follow it without a gap, the others
 * get a row each. When the device has gaps but its user has none, the user's own mark moves.
 */
export async function ackMessages(
  tx: Tx,
  owner: MarkOwner,
  ack: { seqs: number[]; at: Date },
): Promise<Acknowledged> {
  const mark = await findMark(tx, owner);
  const throughSeq = Math.max(...ack.seqs);
  const messages = await listUncovered(tx, owner, { afterSeq: mark, throughSeq, only: ack.seqs });
  if (messages.length === 0) return { owner, messages };

  const gap = await findFirstGap(tx, owner, { afterSeq: mark, throughSeq, seqs: ack.seqs });
  const seqs = messages.map(({ seq }) => seq);
  const inOrder = gap === undefined ? seqs : seqs.filter((seq) => seq < gap);
  const outOfOrder = gap === undefined ? [] : seqs.filter((seq) => seq > gap);
  const lastInOrder = inOrder.at(-1);
  if (lastInOrder !== undefined) await insertMark(tx, owner, { throughSeq: lastInOrder, at: ack.at });
  if (outOfOrder.length > 0) {
    await insertSingleMarks(tx, owner, { seqs: outOfOrder, at: ack.at });
    await raiseUserMark(tx, owner, { seqs: ack.seqs, at: ack.at });
  }
  return { owner, messages };
}

async function raiseUserMark(tx: Tx, owner: MarkOwner, ack: { seqs: number[]; at: Date }): Promise<void> {
  const anyDevice: MarkOwner = { ...owner, deviceId: "" };
  const mark = await findMark(tx, anyDevice);
  const throughSeq = Math.max(...ack.seqs);
  if (throughSeq <= mark) return;
  const gap = await findFirstGap(tx, anyDevice, { afterSeq: mark, throughSeq, seqs: ack.seqs });
  if (gap === undefined) await insertMark(tx, anyDevice, { throughSeq, at: ack.at });
}

/** Writes one receipt entry to the account log of each author, in the order of their ids. */
export async function tellAuthors(
  tx: Tx,
  wakes: Wakes,
  told: { acknowledged: Acknowledged[]; at: Date },
): Promise<void> {
  const entries = told.acknowledged.flatMap(({ owner, messages }) =>
    [...Map.groupBy(messages, ({ senderUserId }) => senderUserId)].flatMap(([author, own]) =>
      chunk(own.map(({ id }) => id)).map((messageIds) => ({ author, owner, messageIds })),
    ),
  );
  entries.sort((a, b) => (a.author < b.author ? -1 : a.author > b.author ? 1 : 0));
  for (const { author, owner, messageIds } of entries) {
    await appendAccountEntry(tx, wakes, {
      userId: author,
      at: told.at,
      event: {
        type: owner.kind === "delivered" ? "messages.delivered" : "messages.read",
        conversationId: owner.conversationId,
        messageIds,
        userId: owner.userId,
        deviceId: owner.deviceId === "" ? null : owner.deviceId,
      },
    });
  }
}

function chunk(ids: MessageId[]): MessageId[][] {
  const chunks: MessageId[][] = [];
  for (let start = 0; start < ids.length; start += maxMessagesPerEntry) {
    chunks.push(ids.slice(start, start + maxMessagesPerEntry));
  }
  return chunks;
}

/** Answers whether a user has acknowledged a message of the page on any device. */
export type AckLookup = (kind: MarkKind, userId: UserId, seq: number) => boolean;

export async function loadAcks(
  db: Db | Tx,
  conversationId: ConversationId,
  page: { userIds: UserId[]; fromSeq: number; toSeq: number },
): Promise<AckLookup> {
  const [marks, singles] = await Promise.all([
    listUserMarks(db, conversationId, page.userIds),
    listSingleMarks(db, conversationId, page),
  ]);
  const through = new Map(marks.map((mark) => [`${mark.kind}/${mark.userId}`, mark.throughSeq]));
  const single = new Set(singles.map((row) => `${row.kind}/${row.user_id}/${row.seq}`));
  return (kind, userId, seq) =>
    (through.get(`${kind}/${userId}`) ?? 0) >= seq || single.has(`${kind}/${userId}/${seq}`);
}

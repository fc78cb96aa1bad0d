import type { AccountEvent, ConversationId, MessageId, UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import type { Wakes } from "../../pipeline/transact.ts";
import { appendAccountEntries } from "../logs/logs.service.ts";
import {
  findFirstGap,
  findMark,
  findPosition,
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

/** Most messages whose authors one ack tells that they were read. */
const maxToldReads = 1_000;

/** Newly acknowledged messages of one kind, to be told to their authors. */
export interface Acknowledged {
  owner: MarkOwner;
  messages: CoveredMessage[];
  /** Up to where no device of the user had read before: told to the user's devices. */
  readThroughSeq?: number | undefined;
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
  // What came before the device is not news of it.
  const from = Math.max(await findMark(tx, owner), await findPosition(tx, owner));
  if (ack.throughSeq <= from) return { owner, messages: [] };
  const messages = await listUncovered(tx, owner, { afterSeq: from, throughSeq: ack.throughSeq });
  await insertMark(tx, owner, ack);
  return { owner, messages };
}

/**
 * "Read everything up to `throughSeq`". News is what no device of the user had read, and of that the newest alone: a
 * first reading of a long conversation must not write an entry for each of its messages.
 */
export async function readThrough(
  tx: Tx,
  owner: MarkOwner,
  ack: { throughSeq: number; at: Date },
): Promise<Acknowledged> {
  if (ack.throughSeq <= (await findMark(tx, owner))) return { owner, messages: [] };
  const marks = await listUserMarks(tx, owner.conversationId, [owner.userId]);
  const readBefore = marks.filter(({ kind }) => kind === "read").map((mark) => mark.throughSeq);
  const afterSeq = Math.max(ack.throughSeq - maxToldReads, ...readBefore, 0);
  const isNews = ack.throughSeq > afterSeq;
  const messages = isNews ? await listUncovered(tx, owner, { afterSeq, throughSeq: ack.throughSeq }) : [];
  await insertMark(tx, owner, ack);
  return { owner, messages, readThroughSeq: isNews ? ack.throughSeq : undefined };
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

/**
 * Writes the receipts to the account logs of the messages' authors, an entry a message, so that each `/ws` frame has a
 * number of its own, and to the reader's own what was read; in the order of the users' ids.
 */
export async function tellAuthors(
  tx: Tx,
  wakes: Wakes,
  told: { acknowledged: Acknowledged[]; at: Date },
): Promise<void> {
  const events = new Map<UserId, AccountEvent[]>();
  const add = (userId: UserId, event: AccountEvent): void => {
    const ofUser = events.get(userId) ?? [];
    ofUser.push(event);
    events.set(userId, ofUser);
  };
  for (const { owner, messages, readThroughSeq } of told.acknowledged) {
    for (const { id, senderUserId } of messages) add(senderUserId, toEvent(owner, id));
    if (readThroughSeq === undefined) continue;
    const { conversationId, userId } = owner;
    add(userId, { type: "conversation.read", conversationId, throughSeq: readThroughSeq });
  }
  for (const userId of [...events.keys()].toSorted()) {
    await appendAccountEntries(tx, wakes, { userId, at: told.at, events: events.get(userId) ?? [] });
  }
}

function toEvent(owner: MarkOwner, messageId: MessageId): AccountEvent {
  return {
    type: owner.kind === "delivered" ? "message.delivered" : "message.read",
    conversationId: owner.conversationId,
    messageId,
    userId: owner.userId,
    deviceId: owner.deviceId === "" ? null : owner.deviceId,
  };
}

/** Answers whether a user has acknowledged a message of the page on any device. */
export type AckLookup = (kind: MarkKind, userId: UserId, seq: number) => boolean;

export async function loadAcks(
  db: Db | Tx,
  conversationId: ConversationId,
  page: { userIds: UserId[]; fromSeq: number; toSeq: number },
): Promise<AckLookup> {
  // Nobody was in the group but the sender.
  if (page.userIds.length === 0) return () => false;
  const [marks, singles] = await Promise.all([
    listUserMarks(db, conversationId, page.userIds),
    listSingleMarks(db, conversationId, page),
  ]);
  const through = new Map(marks.map((mark) => [`${mark.kind}/${mark.userId}`, mark.throughSeq]));
  const single = new Set(singles.map((row) => `${row.kind}/${row.user_id}/${row.seq}`));
  return (kind, userId, seq) =>
    (through.get(`${kind}/${userId}`) ?? 0) >= seq || single.has(`${kind}/${userId}/${seq}`);
}

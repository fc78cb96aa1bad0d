import type { ConversationId, DeviceId, MessageId, UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";
import type { MarkDevice, MarkKind } from "./receipts.tables.ts";

/** Whose acks, in which conversation, of which kind. */
export interface MarkOwner {
  conversationId: ConversationId;
  userId: UserId;
  deviceId: MarkDevice;
  kind: MarkKind;
}

export interface CoveredMessage {
  id: MessageId;
  seq: number;
  senderUserId: UserId;
}

/**
 * Up to where the device has acknowledged everything: its newest mark. A token without a device
 * goes on from whatever any device of its user has.
 */
export async function findMark(tx: Tx, owner: MarkOwner): Promise<number> {
  const { conversationId, userId, deviceId, kind } = owner;
  const { rows } = await sql<{ seq: number }>`
    select through_seq as seq from marks
    where conversation_id = ${conversationId} and user_id = ${userId} and kind = ${kind}
      and (${deviceId} = '' or device_id = ${deviceId})
    order by through_seq desc limit 1
  `.execute(tx);
  return rows[0]?.seq ?? 0;
}

/** Where the device's stream has come to; for a new device that is where it began. */
export async function findPosition(tx: Tx, owner: MarkOwner): Promise<number> {
  const { rows } = await sql<{ seq: number }>`
    select seq from positions
    where user_id = ${owner.userId} and device_id = ${owner.deviceId} and log_id = ${owner.conversationId}
  `.execute(tx);
  return rows[0]?.seq ?? 0;
}

/** The message falls into the user's membership: what came while they were away was not sent to them. */
const isVisibleTo = (userId: UserId) => sql`
  exists (
    select from conversation_members v
    where v.conversation_id = m.conversation_id and v.user_id = ${userId}
      and m.seq > v.from_seq and (v.to_seq is null or m.seq <= v.to_seq)
  )`;

/** Messages of others in (after, through] that the device has not acknowledged one by one. */
export async function listUncovered(
  tx: Tx,
  owner: MarkOwner,
  range: { afterSeq: number; throughSeq: number; only?: number[] },
): Promise<CoveredMessage[]> {
  const { conversationId, userId, deviceId, kind } = owner;
  const { rows } = await sql<CoveredMessage>`
    select m.id, m.seq, m.sender_user_id as "senderUserId" from messages m
    where m.conversation_id = ${conversationId} and m.seq > ${range.afterSeq} and m.seq <= ${range.throughSeq}
      and m.sender_user_id <> ${userId} and ${isVisibleTo(userId)}
      and (${range.only ?? null}::bigint[] is null or m.seq = any(${range.only ?? null}::bigint[]))
      and not exists (
        select from single_marks s
        where s.conversation_id = m.conversation_id and s.user_id = ${userId} and s.kind = ${kind}
          and s.seq = m.seq and (${deviceId} = '' or s.device_id = ${deviceId})
      )
    order by m.seq
  `.execute(tx);
  return rows;
}

/** The first message of others in (after, through] that neither `seqs` nor an earlier single ack covers. */
export async function findFirstGap(
  tx: Tx,
  owner: MarkOwner,
  range: { afterSeq: number; throughSeq: number; seqs: number[] },
): Promise<number | undefined> {
  const { conversationId, userId, deviceId, kind } = owner;
  const { rows } = await sql<{ seq: number }>`
    select m.seq from messages m
    where m.conversation_id = ${conversationId} and m.seq > ${range.afterSeq} and m.seq <= ${range.throughSeq}
      and m.sender_user_id <> ${userId} and ${isVisibleTo(userId)} and m.seq <> all(${range.seqs}::bigint[])
      and not exists (
        select from single_marks s
        where s.conversation_id = m.conversation_id and s.user_id = ${userId} and s.kind = ${kind}
          and s.seq = m.seq and (${deviceId} = '' or s.device_id = ${deviceId})
      )
    order by m.seq limit 1
  `.execute(tx);
  return rows[0]?.seq;
}

export function insertMark(tx: Tx, owner: MarkOwner, mark: { throughSeq: number; at: Date }) {
  return tx
    .insertInto("marks")
    .values({
      conversation_id: owner.conversationId,
      user_id: owner.userId,
      kind: owner.kind,
      through_seq: mark.throughSeq,
      device_id: owner.deviceId,
      at: mark.at,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export function insertSingleMarks(tx: Tx, owner: MarkOwner, marks: { seqs: number[]; at: Date }) {
  return tx
    .insertInto("single_marks")
    .values(
      marks.seqs.map((seq) => ({
        conversation_id: owner.conversationId,
        user_id: owner.userId,
        kind: owner.kind,
        seq,
        device_id: owner.deviceId,
        at: marks.at,
      })),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** What each user has acknowledged in a conversation on any device, for the flags of a page of messages. */
export async function listUserMarks(
  db: Db | Tx,
  conversationId: ConversationId,
  userIds: UserId[],
): Promise<{ userId: UserId; kind: MarkKind; throughSeq: number }[]> {
  const { rows } = await sql<{ userId: UserId; kind: MarkKind; throughSeq: number }>`
    select u.user_id as "userId", k.kind, x.through_seq as "throughSeq"
    from unnest(${userIds}::uuid[]) as u(user_id)
    cross join (values ('delivered'), ('read')) as k(kind)
    cross join lateral (
      select through_seq from marks
      where conversation_id = ${conversationId} and user_id = u.user_id and kind = k.kind
      order by through_seq desc limit 1
    ) x
  `.execute(db);
  return rows;
}

export function listSingleMarks(
  db: Db | Tx,
  conversationId: ConversationId,
  range: { userIds: UserId[]; fromSeq: number; toSeq: number },
) {
  return db
    .selectFrom("single_marks")
    .select(["user_id", "kind", "seq"])
    .where("conversation_id", "=", conversationId)
    .where("user_id", "in", range.userIds)
    .where("seq", ">=", range.fromSeq)
    .where("seq", "<=", range.toSeq)
    .execute();
}

/** For every device of the users: when it acknowledged the message. */
export async function listDeviceReceipts(
  db: Db | Tx,
  message: { conversationId: ConversationId; seq: number },
  userIds: UserId[],
): Promise<{ userId: UserId; deviceId: DeviceId; deliveredAt: Date | null; readAt: Date | null }[]> {
  const { conversationId, seq } = message;
  const firstAck = (kind: MarkKind) => sql`
    select min(at) as at from (
      (select at from marks
        where conversation_id = ${conversationId} and user_id = d.user_id and kind = ${kind}
          and through_seq >= ${seq} and device_id = d.device_id
        order by through_seq limit 1)
      union all
      (select at from single_marks
        where conversation_id = ${conversationId} and user_id = d.user_id and kind = ${kind}
          and seq = ${seq} and device_id = d.device_id)
    ) acks`;
  const { rows } = await sql<{
    userId: UserId;
    deviceId: DeviceId;
    deliveredAt: Date | null;
    readAt: Date | null;
  }>`
    select d.user_id as "userId", d.device_id as "deviceId", x.at as "deliveredAt", r.at as "readAt"
    from devices d
    cross join lateral (${firstAck("delivered")}) x
    cross join lateral (${firstAck("read")}) r
    where d.user_id = any(${userIds}::uuid[])
    order by d.user_id, d.created_at, d.device_id
  `.execute(db);
  return rows;
}

import type { AccountEvent, ConversationEvent, ConversationId, DeviceId, LogId, UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";

/** Raises the log's counter and writes the entries under its lock; gives the number of the first. */
export async function insertAccountEntries(
  tx: Tx,
  entries: { userId: UserId; at: Date; events: AccountEvent[] },
): Promise<number> {
  const texts = entries.events.map((event) => JSON.stringify(event));
  const { rows } = await sql<{ first: number }>`
    with numbered as (
      update account_logs set last_seq = last_seq + ${texts.length}
      where user_id = ${entries.userId}
      returning user_id, last_seq - ${texts.length} as before
    ), written as (
      insert into account_entries (user_id, seq, at, event)
      select n.user_id, n.before + e.ordinal, ${entries.at}, e.event::jsonb
      from numbered n cross join unnest(${texts}::text[]) with ordinality as e(event, ordinal)
    )
    select before + 1 as first from numbered
  `.execute(tx);
  const first = rows[0]?.first;
  if (first === undefined) throw new Error("The user has no account log");
  return first;
}

/** A conversation's row as an entry left it. */
export interface Numbered {
  seq: number;
  at: Date;
  isGroup: boolean;
  userA: UserId;
  userB: UserId;
  rosterSeq: number;
}

/**
 * Takes the next number under the counter row's lock and writes the entry under it. Times never go
 * back within a conversation. `changesRoster`: whoever was looked up as a member before is to be looked up again.
 */
export async function insertConversationEntry(
  tx: Tx,
  entry: { conversationId: ConversationId; at: Date; event: ConversationEvent; changesRoster: boolean },
): Promise<Numbered> {
  const { conversationId, at, event, changesRoster } = entry;
  const { rows } = await sql<Numbered>`
    with numbered as (
      update conversations
      set last_seq = last_seq + 1, last_entry_at = greatest(${at}, last_entry_at),
        roster_seq = case when ${changesRoster} then last_seq + 1 else roster_seq end,
        roster_version = roster_version + ${changesRoster ? 1 : 0}
      where id = ${conversationId}
      returning last_seq, last_entry_at, is_group, user_a, user_b, roster_seq
    ), written as (
      insert into conversation_entries (conversation_id, seq, at, event)
      select ${conversationId}, last_seq, last_entry_at, ${JSON.stringify(event)}::jsonb from numbered
    )
    select last_seq as seq, last_entry_at as at, is_group as "isGroup", user_a as "userA", user_b as "userB",
      roster_seq as "rosterSeq"
    from numbered
  `.execute(tx);
  const [numbered] = rows;
  if (!numbered) throw new Error("The conversation is not there");
  return numbered;
}

/**
 * A new device begins where its user's devices are: what none of them has had delivered comes,
 * what one of them has does not. The account log comes whole to a first device.
 */
export async function insertStartPositions(
  tx: Tx,
  device: { userId: UserId; deviceId: DeviceId },
): Promise<void> {
  const { userId, deviceId } = device;
  await sql`
    insert into positions (user_id, device_id, log_id, seq)
    select ${userId}::uuid, ${deviceId}, m.conversation_id, greatest(m.from_seq, coalesce(k.through_seq, 0))
    from (
      select distinct on (conversation_id) conversation_id, user_id, from_seq from conversation_members
      where user_id = ${userId} order by conversation_id, from_seq desc
    ) m
    left join lateral (
      select through_seq from marks
      where conversation_id = m.conversation_id and user_id = m.user_id and kind = 'delivered'
      order by through_seq desc limit 1
    ) k on true
    union all
    select ${userId}::uuid, ${deviceId}, l.user_id,
      case when exists (select from devices where user_id = ${userId} and device_id <> ${deviceId})
        then l.last_seq else l.pruned_seq end
    from account_logs l where l.user_id = ${userId}
    on conflict do nothing
  `.execute(tx);
}

/** The rows are locked in the order in which an ack of the device locks them. */
export function deletePositionsOfDevice(
  tx: Tx,
  { userId, deviceId }: { userId: UserId; deviceId: DeviceId },
) {
  return sql`
    with locked as materialized (
      select log_id from positions
      where user_id = ${userId}::uuid and device_id = ${deviceId}
      order by log_id for update
    )
    delete from positions p using locked
    where p.user_id = ${userId}::uuid and p.device_id = ${deviceId} and p.log_id = locked.log_id
  `.execute(tx);
}

/** Moves the device's position forward, never back. Its row is locked until the transaction ends. */
export function raisePosition(
  tx: Tx,
  position: { userId: UserId; deviceId: DeviceId; log: LogId; seq: number },
) {
  return tx
    .insertInto("positions")
    .values({
      user_id: position.userId,
      device_id: position.deviceId,
      log_id: position.log,
      seq: position.seq,
    })
    .onConflict((conflict) =>
      conflict.columns(["user_id", "device_id", "log_id"]).doUpdateSet({
        seq: sql`greatest(positions.seq, excluded.seq)`,
      }),
    )
    .execute();
}

export interface LogState {
  log: LogId;
  /** What the device has acknowledged, or where its user joined. */
  position: number;
  lastSeq: number;
  /** Entries up to here were pruned. */
  prunedSeq: number;
  /** What the reader may see begins above. */
  startSeq: number;
}

/** Every log that the reader may read, with the position of its device (0 without one). */
export async function listLogStates(
  db: Db | Tx,
  reader: { userId: UserId; deviceId: DeviceId | null },
  only?: LogId,
): Promise<LogState[]> {
  const { userId, deviceId } = reader;
  const { rows } = await sql<LogState>`
    select m.conversation_id as log, greatest(m.from_seq, coalesce(p.seq, 0)) as position,
      least(c.last_seq, coalesce(m.to_seq, c.last_seq)) as "lastSeq", 0::bigint as "prunedSeq",
      m.from_seq as "startSeq"
    from (
      select conversation_id, min(from_seq) as from_seq,
        case when bool_or(to_seq is null) then null else max(to_seq) end as to_seq
      from conversation_members
      where user_id = ${userId} and (${only ?? null}::uuid is null or conversation_id = ${only ?? null})
      group by conversation_id
    ) m
    join conversations c on c.id = m.conversation_id
    left join positions p on p.user_id = ${userId} and p.device_id = ${deviceId} and p.log_id = m.conversation_id
    union all
    select l.user_id, coalesce(p.seq, 0), l.last_seq, l.pruned_seq, l.pruned_seq
    from account_logs l
    left join positions p on p.user_id = ${userId} and p.device_id = ${deviceId} and p.log_id = l.user_id
    where l.user_id = ${userId} and (${only ?? null}::uuid is null or l.user_id = ${only ?? null})
  `.execute(db);
  return rows;
}

/** The ends of the users' logs, for finding wakes that were lost. Conversations: those that moved since. */
export async function listLogEnds(
  db: Db | Tx,
  userIds: UserId[],
  since: Date,
): Promise<{ userId: UserId; log: LogId; lastSeq: number }[]> {
  const { rows } = await sql<{ userId: UserId; log: LogId; lastSeq: number }>`
    select m.user_id as "userId", m.conversation_id as log,
      least(c.last_seq, coalesce(m.to_seq, c.last_seq)) as "lastSeq"
    from conversation_members m join conversations c on c.id = m.conversation_id
    where m.user_id = any(${userIds}::uuid[])
      and (c.last_entry_at > ${since} or c.last_message_at > ${since})
    union all
    select l.user_id, l.user_id, l.last_seq from account_logs l
    where l.user_id = any(${userIds}::uuid[]) and l.last_seq > 0
  `.execute(db);
  return rows;
}

export function listAccountEntries(
  db: Db | Tx,
  range: { userId: UserId; afterSeq: number; throughSeq?: number; limit: number },
) {
  let query = db
    .selectFrom("account_entries")
    .select(["user_id", "seq", "at", "event"])
    .where("user_id", "=", range.userId)
    .where("seq", ">", range.afterSeq)
    .orderBy("seq")
    .limit(range.limit);
  if (range.throughSeq !== undefined) query = query.where("seq", "<=", range.throughSeq);
  return query.execute();
}

/** What a step through all account logs did. */
interface PruneStep {
  deleted: number;
  /** The user that the next step begins after; null at the end. */
  cursor: UserId | null;
}

/** Logs of a step, and entries of one log in it. */
const prunedLogs = 100;
const prunedEntries = 50;

/**
 * A step through the account logs, in the order of their users: deletes the entries older than `before`
 * from their beginnings, but none that a device seen since `liveSince` has not acknowledged. A log that
 * somebody holds is left for the next time. Stays where it is while a log has more to give.
 */
export async function pruneAccountEntries(
  tx: Tx,
  options: { cursor: UserId | null; before: Date; liveSince: Date },
): Promise<PruneStep> {
  const { cursor, before, liveSince } = options;
  const { rows } = await sql<{ deleted: number; last: UserId | null; hasMore: boolean }>`
    with logs as materialized (
      select user_id, pruned_seq from account_logs
      where ${cursor}::uuid is null or user_id > ${cursor}
      order by user_id limit ${prunedLogs}
    ), old as materialized (
      select l.user_id, l.pruned_seq, o.seq from logs l
      join account_entries f on f.user_id = l.user_id and f.seq = l.pruned_seq + 1 and f.at < ${before}
      cross join lateral (
        select coalesce(min(e.seq) filter (where e.at >= ${before}) - 1, max(e.seq)) as seq from (
          select seq, at from account_entries
          where user_id = l.user_id and seq > l.pruned_seq order by seq limit ${prunedEntries}
        ) e
      ) o
    ), bounds as materialized (
      select o.user_id, o.pruned_seq, least(o.seq, (
        select min(coalesce(p.seq, 0)) from devices d
        left join positions p on p.user_id = d.user_id and p.device_id = d.device_id and p.log_id = d.user_id
        where d.user_id = o.user_id and d.last_seen_at > ${liveSince}
      )) as seq from old o
    ), held as materialized (
      select l.user_id, b.seq, b.seq - b.pruned_seq as entries from account_logs l
      join bounds b on b.user_id = l.user_id and b.seq > l.pruned_seq
      order by l.user_id for update of l skip locked
    ), moved as (
      update account_logs l set pruned_seq = h.seq from held h
      where l.user_id = h.user_id and l.pruned_seq < h.seq
    ), gone as (
      delete from account_entries e using held h where e.user_id = h.user_id and e.seq <= h.seq returning 1
    )
    select (select count(*) from gone) as deleted,
      (select user_id from logs order by user_id desc limit 1) as last,
      exists (select from held where entries = ${prunedEntries}) as "hasMore"
  `.execute(tx);
  const [step] = rows;
  if (!step) throw new Error("No answer");
  return { deleted: step.deleted, cursor: step.hasMore ? cursor : step.last };
}

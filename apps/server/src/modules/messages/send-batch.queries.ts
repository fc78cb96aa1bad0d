import type { ConversationId, DeviceId, MessageId, UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import { prepare } from "../../db/statements.ts";
import type { SessionId } from "../accounts/accounts.tables.ts";

/** A message as its sender asked for it, with all that is checked where it is stored. */
export interface BatchedSend {
  senderUserId: UserId;
  sessionId: SessionId;
  senderDeviceId: DeviceId;
  /** null: to a group. */
  recipientUserId: UserId | null;
  groupId: ConversationId | null;
  id: MessageId;
  dedupeKey: string | null;
  ciphertext: string;
  wraps: Record<string, string> | null;
  /** The device lists that the wraps were checked against; null for a message that is not sealed for devices. */
  rosterVersion: number | null;
}

export interface BatchedRow {
  id: MessageId;
  conversationId: ConversationId;
  seq: number;
  sentAt: Date;
  rosterSeq: number;
}

/**
 * - `placed`: the sends for which all holds that can be looked up: the device is the session's, or a
 *   label that names none; the two have a conversation, or the sender is in the group; nothing was
 *   stored under the same key.
 * - `raised`: each of their conversations takes its numbers under its row's lock, if what was looked up
 *   is still true there: whoever changes devices raises `roster_version`, whoever changes members
 *   `roster_seq`; blocks and archiving are on the row itself. The locks are taken in id order: the
 *   planner may but walk through `counted` and find each row by its key (`laneSettings`).
 * - `numbered`: numbers follow the order of the batch. Each conversation's row comes before its messages in one
 *   sorted pass: a join would compare each message with each conversation (half of the time at 64 sends).
 *   Times never go back within a conversation.
 *
 * The look-ups are scalar subqueries because these are run row by row: an `exists` may become a
 * hash of the whole table. Where a table has several indexes, the first key from the wanted one on is
 * asked for, in an order that only the right index has: while a table is empty all of them look alike.
 */
export const batchText = `
  with sent as materialized (
    select * from unnest(
      $1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::text[], $9::text[], $10::integer[]
    ) with ordinality as s (
      sender, session, device, recipient, group_id, id, dedupe_key, ciphertext, wraps, roster_version, place
    )
  ), placed as materialized (
    select s.*, c.id as conversation_id, c.roster_seq, c.roster_version as found_version
    from sent s
    cross join lateral (
      select c.id, c.roster_seq, c.roster_version from conversations c
      where s.recipient is not null and not c.is_group
        and c.user_a = least(s.sender, s.recipient) and c.user_b = greatest(s.sender, s.recipient)
      union all
      select c.id, c.roster_seq, c.roster_version from conversation_members m
      join conversations c on c.id = m.conversation_id
      where s.recipient is null and c.is_group
        and m.conversation_id = s.group_id and m.user_id = s.sender and m.to_seq is null
      limit 1
    ) c
    where case
        when s.device = (
          select d.device_id from session_devices d
          where d.session_id = s.session and d.device_id >= s.device order by d.device_id limit 1
        ) then true
        when s.wraps is not null then false
        else (select true from devices d where d.user_id = s.sender and d.device_id = s.device limit 1) is null
      end
      and (s.roster_version is null or s.roster_version = c.roster_version)
      and (s.dedupe_key is null or s.dedupe_key is distinct from (
        select m.dedupe_key from messages m
        where m.conversation_id = c.id and m.dedupe_key >= s.dedupe_key order by m.dedupe_key limit 1
      ))
  ), counted as materialized (
    select conversation_id, count(*) as messages, min(roster_seq) as roster_seq, min(found_version) as roster_version
    from placed group by conversation_id order by conversation_id
  ), raised as (
    update conversations c
    set last_seq = c.last_seq + k.messages,
      last_message_at = greatest($11::timestamptz, c.last_entry_at, c.last_message_at),
      last_entry_at = greatest($11::timestamptz, c.last_entry_at, c.last_message_at)
    from counted k
    where c.id = k.conversation_id and c.roster_seq = k.roster_seq and c.roster_version = k.roster_version
      and c.archived_at is null and not c.blocked_by_a and not c.blocked_by_b
    returning c.id, c.last_seq - k.messages as before, c.last_message_at
  ), numbered as materialized (
    select * from (
      select u.*, first_value(before) over log + row_number() over log - 1 as seq,
        first_value(raised_at) over log as sent_at
      from (
        select id as conversation_id, 0 as place, before, last_message_at as raised_at, null::uuid as id,
          null::uuid as sender, null as device, null::uuid as dedupe_key, null as ciphertext, null as wraps,
          null::bigint as roster_seq
        from raised
        union all
        select conversation_id, place, null, null, id, sender, device, dedupe_key, ciphertext, wraps, roster_seq
        from placed
      ) u
      window log as (partition by conversation_id order by place)
    ) n
    where place > 0 and seq is not null
  ), stored as (
    insert into messages
      (conversation_id, seq, id, sender_user_id, sender_device_id, dedupe_key, sent_at, ciphertext, wraps)
    select conversation_id, seq, id, sender, device, dedupe_key, sent_at, ciphertext, wraps::jsonb from numbered
  )
  select id, conversation_id as "conversationId", seq, sent_at as "sentAt", roster_seq as "rosterSeq"
  from numbered order by conversation_id, place`;

const insertBatch = prepare<BatchedRow>("insert_batch", batchText);

/**
 * How the connection is set on which `insertSends` runs. A row that somebody holds for longer than
 * `lock_timeout` must not keep the other conversations waiting: their sends then go one by one.
 * Before PostgreSQL 18 what is switched off and still needed, as a sort is, makes a plan look dear
 * enough to be compiled: 93 functions at each batch, which took seconds.
 */
export const laneSettings = {
  lock_timeout: "'200ms'",
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  enable_sort: "off",
  enable_incremental_sort: "off",
  plan_cache_mode: "force_generic_plan",
  jit: "off",
};

/**
 * Stores messages of any number of conversations in one statement. Gives those that were stored, in
 * order; of one that is not among them nothing was, and why is not said.
 */
export function insertSends(db: Db | Tx, sends: readonly BatchedSend[], now: Date): Promise<BatchedRow[]> {
  return insertBatch(db, [
    sends.map((send) => send.senderUserId),
    sends.map((send) => send.sessionId),
    sends.map((send) => send.senderDeviceId),
    sends.map((send) => send.recipientUserId),
    sends.map((send) => send.groupId),
    sends.map((send) => send.id),
    sends.map((send) => send.dedupeKey),
    sends.map((send) => send.ciphertext),
    sends.map((send) => send.wraps && JSON.stringify(send.wraps)),
    sends.map((send) => send.rosterVersion),
    now,
  ]);
}

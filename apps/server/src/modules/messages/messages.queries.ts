import type { ConversationEvent, ConversationId, DeviceId, LogId, MessageId, UserId } from "@sotto/schema";
import { sql, type RawBuilder } from "kysely";
import type { Db, Tx } from "../../db/db.ts";
import type { SessionId } from "../accounts/accounts.tables.ts";

/** A message as its reader may see it: with the wrap of the reading device alone. */
export interface MessageRow {
  conversationId: ConversationId;
  seq: number;
  id: MessageId;
  senderUserId: UserId;
  senderDeviceId: DeviceId;
  /** The reader of a group's message. */
  recipientUserId: UserId;
  isGroup: boolean;
  sentAt: Date;
  /** Empty for a deleted message. */
  ciphertext: string;
  wrap: string | null;
}

interface ReaderKey {
  userId: UserId;
  /** `deviceKey` of the reading device; null without one. */
  wrapKey: string | null;
}

const recipient = (reader: UserId) => sql`
  case when c.is_group then ${reader}::uuid when c.user_a = m.sender_user_id then c.user_b else c.user_a end`;

const columns = (reader: ReaderKey) => sql`
  m.conversation_id as "conversationId", m.seq, m.id, m.sender_user_id as "senderUserId",
  m.sender_device_id as "senderDeviceId", ${recipient(reader.userId)} as "recipientUserId",
  c.is_group as "isGroup", m.sent_at as "sentAt", m.ciphertext, m.wraps ->> ${reader.wrapKey}::text as wrap`;

const visible = sql`m.seq > v.from_seq and (v.to_seq is null or m.seq <= v.to_seq)`;

/** An entry of a conversation's log: a message, or what its event says. */
export type ConversationLogRow =
  | (MessageRow & { event: null; deletedBy: UserId | null })
  | { conversationId: ConversationId; seq: number; sentAt: Date; event: ConversationEvent };

/**
 * Entries with numbers in (after, through], in order, that fall into the reader's membership. One
 * statement, so that messages and other entries are seen as of the same moment: none is passed over.
 */
export async function listConversationLog(
  db: Db | Tx,
  reader: ReaderKey,
  range: { log: LogId; afterSeq: number; throughSeq?: number | undefined; limit: number },
): Promise<ConversationLogRow[]> {
  const throughSeq = range.throughSeq ?? Number.MAX_SAFE_INTEGER;
  const { rows } = await sql<ConversationLogRow>`
    (
      select ${columns(reader)}, null::jsonb as event, m.deleted_by as "deletedBy"
      from messages m
      join conversations c on c.id = m.conversation_id
      join conversation_members v on v.conversation_id = m.conversation_id and v.user_id = ${reader.userId}
      where m.conversation_id = ${range.log} and m.seq > ${range.afterSeq} and m.seq <= ${throughSeq}
        and ${visible}
      order by m.seq limit ${range.limit}
    )
    union all
    (
      select m.conversation_id, m.seq, null, null, null, null, null, m.at, null, null, m.event, null
      from conversation_entries m
      join conversation_members v on v.conversation_id = m.conversation_id and v.user_id = ${reader.userId}
      where m.conversation_id = ${range.log} and m.seq > ${range.afterSeq} and m.seq <= ${throughSeq}
        and ${visible}
      order by m.seq limit ${range.limit}
    )
    order by seq limit ${range.limit}
  `.execute(db);
  return rows;
}

/** Which messages of a conversation a page is to hold. */
export interface MessageMatch {
  conversationId: ConversationId;
  fromSeq: number;
  beforeSeq: number;
  senderDeviceId?: DeviceId | null | undefined;
  hasAttachments?: boolean | null | undefined;
  limit: number;
}

/** What `a` is attached by is an entry that the reader may see. Uncorrelated, so that it is asked once a statement. */
const isAttachmentVisible = (reader: ReaderKey, { conversationId }: MessageMatch) => sql`a.seq <@ (
  select range_agg(int8range(w.from_seq, w.to_seq, '(]')) from conversation_members w
  where w.conversation_id = ${conversationId} and w.user_id = ${reader.userId})`;
const attachmentsOf = (reader: ReaderKey, match: MessageMatch) => sql`
  from attachments a where a.conversation_id = x.conversation_id and a.message_seq = x.seq
    and ${isAttachmentVisible(reader, match)}`;

const inRange = ({ fromSeq, beforeSeq }: MessageMatch, seq: RawBuilder<unknown>) => sql`
  ${seq} >= greatest(v.from_seq + 1, ${fromSeq}::bigint) and ${seq} < ${beforeSeq}::bigint
  and ${seq} <= coalesce(v.to_seq, ${beforeSeq}::bigint)`;

/** What matches within the membership `v`, in the order in which an index gives it. */
function matching(reader: ReaderKey, match: MessageMatch) {
  const { senderDeviceId, hasAttachments } = match;
  if (senderDeviceId) {
    const attachments = attachmentsOf(reader, match);
    // `exists` may begin with the attachments, where they are few; a count is asked for each message.
    const isAsked =
      typeof hasAttachments !== "boolean"
        ? sql``
        : hasAttachments
          ? sql`and exists (select ${attachments})`
          : sql`and (select count(*) ${attachments}) = 0`;
    return sql`from messages x where ${ofDevice(match)} ${isAsked} ${deviceOrder}`;
  }
  if (typeof hasAttachments !== "boolean") {
    return sql`
      from messages x where x.conversation_id = v.conversation_id and ${inRange(match, sql`x.seq`)}
      order by x.seq desc`;
  }
  const numbers = hasAttachments ? attachedNumbers(reader, match) : bareNumbers(reader, match);
  // Looked up one by one: the limit keeps it from walking the conversation beside them.
  return sql`
    from (${numbers}) t
    cross join lateral (
      select y.* from messages y where y.conversation_id = v.conversation_id and y.seq = t.seq limit 1
    ) x
    order by t.seq desc`;
}

/** The limit lets it follow the index from its end instead of sorting all. */
const attachedNumbers = (reader: ReaderKey, match: MessageMatch) => sql`
  select distinct a.message_seq as seq from attachments a
  where a.conversation_id = v.conversation_id and ${inRange(match, sql`a.message_seq`)}
    and ${isAttachmentVisible(reader, match)}
  order by a.message_seq desc limit ${match.limit}`;

/** So many numbers are looked through at once for messages that have no attachments. */
const chunkSize = 1_000;

/**
 * Chunk by chunk from the end: the numbers of messages less those of attachments. A conversation may hold
 * nothing but attachments for long, and to ask for each message costs some blocks a message. `offset 0` keeps
 * the numbers from being looked for twice, once to count them.
 */
const bareNumbers = (reader: ReaderKey, match: MessageMatch) => sql`
  with recursive chunks (low, found, seqs) as (
    select least(c.last_seq + 1, ${match.beforeSeq}::bigint, v.to_seq + 1), 0, array[]::bigint[]
    union all
    select k.low - ${chunkSize}::int, k.found + cardinality(b.seqs), b.seqs
    from chunks k
    cross join lateral (
      select array(
        select y.seq from messages y
        where y.conversation_id = v.conversation_id and y.seq >= k.low - ${chunkSize}::int and y.seq < k.low
          and y.seq >= greatest(v.from_seq + 1, ${match.fromSeq}::bigint)
        except
        select a.message_seq from attachments a
        where a.conversation_id = v.conversation_id and a.message_seq >= k.low - ${chunkSize}::int
          and a.message_seq < k.low and ${isAttachmentVisible(reader, match)}
      ) as seqs offset 0
    ) b
    where k.found < ${match.limit} and k.low > greatest(v.from_seq + 1, ${match.fromSeq}::bigint)
  )
  select unnest(seqs) as seq from chunks order by seq desc limit ${match.limit}`;

/**
 * For `messages_by_device`, whose key is the same for 256 numbers: only those are sorted. The range
 * is kept from the planner as a range of numbers, for which it would rather walk the whole conversation.
 * 256 stands in the text: a parameter would be another expression than the index's.
 */
const ofDevice = (match: MessageMatch) => sql`
  x.conversation_id = v.conversation_id and x.sender_device_id = ${match.senderDeviceId}
  and x.seq / 256 between greatest(v.from_seq + 1, ${match.fromSeq}::bigint) / 256
    and ${match.beforeSeq}::bigint / 256
  and ${inRange(match, sql`(x.seq + 0)`)}`;
const deviceOrder = sql`order by x.seq / 256 desc, x.seq desc`;

/** The newest messages that match, the newest first. */
export async function listNewestMessages(
  db: Db | Tx,
  reader: ReaderKey,
  match: MessageMatch,
): Promise<MessageRow[]> {
  const { conversationId, limit } = match;
  const { rows } = await sql<MessageRow>`
    select ${columns(reader)}
    from conversation_members v
    join conversations c on c.id = v.conversation_id
    cross join lateral (
      select x.* ${matching(reader, match)}
      limit ${limit}
    ) m
    where v.user_id = ${reader.userId} and v.conversation_id = ${conversationId}
    order by m.seq desc limit ${limit}
  `.execute(db);
  return rows;
}

/** Messages with numbers in (after, through], in order, without deleted ones. */
export async function listMessagesAfter(
  db: Db | Tx,
  reader: ReaderKey,
  range: { conversationId: ConversationId; afterSeq: number; throughSeq: number; limit: number },
): Promise<MessageRow[]> {
  const { rows } = await sql<MessageRow>`
    select ${columns(reader)}
    from conversation_members v
    join conversations c on c.id = v.conversation_id
    cross join lateral (
      select x.* from messages x
      where x.conversation_id = v.conversation_id and x.seq > greatest(v.from_seq, ${range.afterSeq}::bigint)
        and x.seq <= least(v.to_seq, ${range.throughSeq}::bigint) and x.deleted_at is null
      order by x.seq limit ${range.limit}
    ) m
    where v.user_id = ${reader.userId} and v.conversation_id = ${range.conversationId}
    order by m.seq limit ${range.limit}
  `.execute(db);
  return rows;
}

/**
 * The number from which on messages were sent at `time` or later. Times never go back within a
 * conversation, so halving finds it: 20 index reads among a million messages, and no index on times.
 */
export async function findFirstSeqAt(
  db: Db | Tx,
  conversationId: ConversationId,
  time: Date,
): Promise<number> {
  const { rows } = await sql<{ seq: number }>`
    with recursive halving (low, high) as (
      select 1::bigint, last_seq + 1 from conversations where id = ${conversationId}
      union all
      select
        case when m.sent_at < ${time} then m.seq + 1 else h.low end,
        case when m.sent_at < ${time} then h.high else (h.low + h.high) / 2 end
      from halving h
      left join lateral (
        select x.seq, x.sent_at from messages x
        where x.conversation_id = ${conversationId} and x.seq >= (h.low + h.high) / 2 and x.seq < h.high
        order by x.seq limit 1
      ) m on true
      where h.low < h.high
    )
    select low as seq from halving where low = high limit 1
  `.execute(db);
  return rows[0]?.seq ?? 1;
}

/** Messages of others that no device of the user has acknowledged, the oldest first. */
export async function listUndelivered(db: Db | Tx, reader: ReaderKey, limit: number): Promise<MessageRow[]> {
  const { rows } = await sql<MessageRow>`
    select ${columns(reader)}
    from conversation_members v
    join conversations c on c.id = v.conversation_id
    left join lateral (
      select through_seq from marks
      where conversation_id = v.conversation_id and user_id = v.user_id and kind = 'delivered'
      order by through_seq desc limit 1
    ) k on true
    cross join lateral (
      select array(
        select s.seq from single_marks s
        where s.conversation_id = v.conversation_id and s.user_id = v.user_id
          and s.kind = 'delivered' and s.seq > coalesce(k.through_seq, 0)
      ) as seqs
    ) s
    cross join lateral (
      select x.* from messages x
      where x.conversation_id = v.conversation_id
        and x.seq > greatest(v.from_seq, coalesce(k.through_seq, 0))
        and (v.to_seq is null or x.seq <= v.to_seq)
        and x.sender_user_id <> v.user_id and x.deleted_at is null and x.seq <> all(s.seqs)
      order by x.seq limit ${limit}
    ) m
    where v.user_id = ${reader.userId} and c.last_seq > coalesce(k.through_seq, 0)
    order by m.sent_at, m.seq, m.id limit ${limit}
  `.execute(db);
  return rows;
}

export interface VisibleMessage {
  conversationId: ConversationId;
  seq: number;
  senderUserId: UserId;
  recipientUserId: UserId;
  isGroup: boolean;
  sentAt: Date;
  /** The membership that it falls into has not ended. */
  isCurrent: boolean;
  isDeleted: boolean;
}

/** The message, if it falls into the user's membership. */
export async function findVisibleMessage(
  db: Db | Tx,
  userId: UserId,
  id: MessageId,
): Promise<VisibleMessage | undefined> {
  const { rows } = await sql<VisibleMessage>`
    select m.conversation_id as "conversationId", m.seq, m.sender_user_id as "senderUserId",
      ${recipient(userId)} as "recipientUserId", c.is_group as "isGroup", m.sent_at as "sentAt", v.to_seq is null as "isCurrent",
      m.deleted_at is not null as "isDeleted"
    from messages m
    join conversations c on c.id = m.conversation_id
    join conversation_members v on v.conversation_id = m.conversation_id and v.user_id = ${userId}
    where m.id = ${id} and ${visible}
  `.execute(db);
  return rows[0];
}

/** The answer that an earlier send with the same key was given. */
export function findByDedupeKey(db: Db | Tx, conversationId: ConversationId, dedupeKey: string) {
  return db
    .selectFrom("messages")
    .select(["id", "ciphertext", "sent_at", "deleted_at"])
    .where("conversation_id", "=", conversationId)
    .where("dedupe_key", "=", dedupeKey)
    .executeTakeFirst();
}

/** Whether the device is registered, and whether this session published it. */
export async function findSenderDevice(
  db: Db | Tx,
  sender: { userId: UserId; sessionId: SessionId; deviceId: DeviceId },
): Promise<{ isRegistered: boolean; isOwn: boolean }> {
  const { rows } = await sql<{ isRegistered: boolean; isOwn: boolean }>`
    select
      exists (
        select from devices where user_id = ${sender.userId} and device_id = ${sender.deviceId}
      ) as "isRegistered",
      exists (
        select from session_devices where session_id = ${sender.sessionId} and device_id = ${sender.deviceId}
      ) as "isOwn"
  `.execute(db);
  return rows[0] ?? { isRegistered: false, isOwn: false };
}

export interface NewMessage {
  id: MessageId;
  conversationId: ConversationId;
  senderUserId: UserId;
  senderDeviceId: DeviceId;
  dedupeKey: string | null;
  ciphertext: string;
  wraps: Record<string, string> | null;
  now: Date;
  /** The device lists that the wraps were checked against; null for a message that is not sealed for devices. */
  rosterVersion: number | null;
  /** The members that the sender was found among. */
  rosterSeq: number;
}

/**
 * The send statement: takes the next number under the counter row's lock and stores the message
 * under it. Gives nothing when a device list changed since `rosterVersion`, the members since
 * `rosterSeq`, the group was archived, or one of a pair has blocked the other: conditions on the row
 * itself, so that they hold under its lock, also for what was committed while it was waited for.
 * Times never go back within a conversation, whichever process stored the message before.
 */
export async function insertMessage(
  tx: Tx,
  message: NewMessage,
): Promise<{ seq: number; sentAt: Date } | undefined> {
  const { rows } = await sql<{ seq: number; sentAt: Date }>`
    with numbered as (
      update conversations
      set last_seq = last_seq + 1, last_message_at = greatest(${message.now}, last_entry_at, last_message_at),
        last_entry_at = greatest(${message.now}, last_entry_at, last_message_at)
      where id = ${message.conversationId} and roster_seq = ${message.rosterSeq} and archived_at is null
        and not blocked_by_a and not blocked_by_b
        and (${message.rosterVersion}::integer is null or roster_version = ${message.rosterVersion})
      returning last_seq, last_message_at
    )
    insert into messages
      (conversation_id, seq, id, sender_user_id, sender_device_id, dedupe_key, sent_at, ciphertext, wraps)
    select ${message.conversationId}, last_seq, ${message.id}, ${message.senderUserId},
      ${message.senderDeviceId}, ${message.dedupeKey}, last_message_at, ${message.ciphertext},
      ${message.wraps === null ? null : JSON.stringify(message.wraps)}::jsonb
    from numbered
    returning seq, sent_at as "sentAt"
  `.execute(tx);
  return rows[0];
}

/** Takes away what a message says. Its row stays, since its number is in the log. */
export function eraseMessage(
  tx: Tx,
  message: { conversationId: ConversationId; seq: number; deletedBy: UserId; at: Date },
) {
  return tx
    .updateTable("messages")
    .set({ ciphertext: "", wraps: null, deleted_at: message.at, deleted_by: message.deletedBy })
    .where("conversation_id", "=", message.conversationId)
    .where("seq", "=", message.seq)
    .execute();
}

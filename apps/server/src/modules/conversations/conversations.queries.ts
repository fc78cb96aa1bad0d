import type { ConversationId, UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";
import { prepare } from "../../db/statements.ts";

const maxListed = 100;

/** A direct conversation is kept once, under its two users in order. */
function inOrder(first: UserId, second: UserId): { user_a: UserId; user_b: UserId } {
  return first < second ? { user_a: first, user_b: second } : { user_a: second, user_b: first };
}

interface DirectRow {
  id: ConversationId;
  user_a: UserId;
  user_b: UserId;
  last_message_at: Date | null;
  roster_version: number;
  roster_seq: number;
  blocked_by_a: boolean;
  blocked_by_b: boolean;
}

const selectDirect = prepare<DirectRow>(
  "select_direct",
  `select id, user_a, user_b, last_message_at, roster_version, roster_seq, blocked_by_a, blocked_by_b
  from conversations where user_a = $1 and user_b = $2 and not is_group`,
);

export async function findDirect(db: Db | Tx, first: UserId, second: UserId): Promise<DirectRow | undefined> {
  const { user_a, user_b } = inOrder(first, second);
  return (await selectDirect(db, [user_a, user_b]))[0];
}

const isBlocked = (by: UserId, other: UserId) =>
  sql<boolean>`exists (select from blocks where user_id = ${by} and blocked_user_id = ${other})`;

/**
 * Does nothing when another transaction has made it, after waiting for that one's end. Both users
 * are held, so no block comes between the look at the blocks and the row.
 */
export async function insertDirect(
  tx: Tx,
  conversation: { id: ConversationId; users: [UserId, UserId]; at: Date },
): Promise<void> {
  const { id, users, at } = conversation;
  const { user_a, user_b } = inOrder(...users);
  const inserted = await tx
    .insertInto("conversations")
    .values({
      id,
      is_group: false,
      name: null,
      user_a,
      user_b,
      created_at: at,
      last_message_at: null,
      last_entry_at: null,
      archived_at: null,
      blocked_by_a: isBlocked(user_a, user_b),
      blocked_by_b: isBlocked(user_b, user_a),
    })
    .onConflict((conflict) =>
      conflict.columns(["user_a", "user_b"]).where("is_group", "=", false).doNothing(),
    )
    .returning("id")
    .executeTakeFirst();
  if (!inserted) return;
  await tx
    .insertInto("conversation_members")
    .values(
      users.map((user_id) => ({ conversation_id: id, user_id, from_seq: 0, to_seq: null, joined_at: at })),
    )
    .execute();
}

/** Writes down on the pair's conversation, where there is one, whether one has blocked the other. */
export async function setBlockFlag(
  tx: Tx,
  block: { by: UserId; other: UserId; isBlocked: boolean },
): Promise<void> {
  const pair = inOrder(block.by, block.other);
  const flag = pair.user_a === block.by ? "blocked_by_a" : "blocked_by_b";
  await tx
    .updateTable("conversations")
    .set({ [flag]: block.isBlocked })
    .where("user_a", "=", pair.user_a)
    .where("user_b", "=", pair.user_b)
    .where("is_group", "=", false)
    .execute();
}

/** The member's interval; its row is locked, so that one user's acks in a conversation run in turn. */
export function lockMembership(tx: Tx, conversationId: ConversationId, userId: UserId) {
  return tx
    .selectFrom("conversation_members")
    .innerJoin("conversations", "conversations.id", "conversation_members.conversation_id")
    .select(["from_seq", "to_seq", "conversations.last_seq"])
    .where("conversation_id", "=", conversationId)
    .where("user_id", "=", userId)
    .orderBy("from_seq", "desc")
    .limit(1)
    .forUpdate(["conversation_members"])
    .executeTakeFirst();
}

interface GroupRow {
  id: ConversationId;
  roster_version: number;
  roster_seq: number;
  archived_at: Date | null;
}

const selectGroupOf = prepare<GroupRow>(
  "select_group_of",
  `select c.id, c.roster_version, c.roster_seq, c.archived_at
  from conversation_members m join conversations c on c.id = m.conversation_id
  where m.conversation_id = $1 and m.user_id = $2 and m.to_seq is null and c.is_group`,
);

/** A group as one of its present members finds it. */
export async function findGroupOf(
  db: Db | Tx,
  conversationId: ConversationId,
  userId: UserId,
): Promise<GroupRow | undefined> {
  return (await selectGroupOf(db, [conversationId, userId]))[0];
}

/** The members as the entry `rosterSeq` left them; the same whenever it is asked. */
export async function listRoster(
  db: Db | Tx,
  conversationId: ConversationId,
  rosterSeq: number,
): Promise<UserId[]> {
  const rows = await db
    .selectFrom("conversation_members")
    .select("user_id")
    .where("conversation_id", "=", conversationId)
    .where("from_seq", "<", rosterSeq)
    .where((where) => where.or([where("to_seq", "is", null), where("to_seq", ">", rosterSeq)]))
    .orderBy("user_id")
    .execute();
  return rows.map((row) => row.user_id);
}

export async function countRoster(
  db: Db | Tx,
  conversationId: ConversationId,
  rosterSeq: number,
): Promise<number> {
  const { count } = await db
    .selectFrom("conversation_members")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("conversation_id", "=", conversationId)
    .where("from_seq", "<", rosterSeq)
    .where((where) => where.or([where("to_seq", "is", null), where("to_seq", ">", rosterSeq)]))
    .executeTakeFirstOrThrow();
  return count;
}

/** Whose membership covers which numbers of a page. */
export function listIntervals(
  db: Db | Tx,
  conversationId: ConversationId,
  page: { fromSeq: number; toSeq: number },
) {
  return db
    .selectFrom("conversation_members")
    .select(["user_id", "from_seq", "to_seq"])
    .where("conversation_id", "=", conversationId)
    .where("from_seq", "<", page.toSeq)
    .where((where) => where.or([where("to_seq", "is", null), where("to_seq", ">=", page.fromSeq)]))
    .execute();
}

/** Where the conversation's log has come to. */
export function findLogEnd(db: Db | Tx, conversationId: ConversationId) {
  return db
    .selectFrom("conversations")
    .select(["is_group", "last_seq"])
    .where("id", "=", conversationId)
    .executeTakeFirstOrThrow();
}

export async function isMember(
  db: Db | Tx,
  conversationId: ConversationId,
  userId: UserId,
): Promise<boolean> {
  const found = await db
    .selectFrom("conversation_members")
    .select("user_id")
    .where("conversation_id", "=", conversationId)
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return found !== undefined;
}

/**
 * The other present members with whom no block stands, either way. Undefined for whoever is no
 * member, or is one no longer.
 */
export async function listMembersInReach(
  db: Db | Tx,
  conversationId: ConversationId,
  userId: UserId,
): Promise<UserId[] | undefined> {
  const { rows } = await sql<{ id: UserId }>`
    select m.user_id as id from conversation_members m
    where m.conversation_id = ${conversationId} and m.to_seq is null
      and not exists (select from blocks b where b.user_id = ${userId} and b.blocked_user_id = m.user_id)
      and not exists (select from blocks b where b.user_id = m.user_id and b.blocked_user_id = ${userId})
  `.execute(db);
  const isMember = rows.some(({ id }) => id === userId);
  return isMember ? rows.flatMap(({ id }) => (id === userId ? [] : [id])) : undefined;
}

/** The user's direct conversations that have messages, and groups, the newest first. */
export function listConversations(db: Db | Tx, userId: UserId) {
  return (
    db
      .selectFrom("conversation_members as m")
      // Each by itself: a join could read the whole table beside the few.
      .innerJoinLateral(
        (by) =>
          by
            .selectFrom("conversations")
            .selectAll()
            .whereRef("id", "=", "m.conversation_id")
            .limit(1)
            .as("c"),
        (join) => join.onTrue(),
      )
      .select(["c.id", "c.user_a", "c.user_b", "c.last_message_at", "c.is_group", "c.name"])
      .where("m.user_id", "=", userId)
      .where("m.to_seq", "is", null)
      .where((where) =>
        where.or([where("c.last_message_at", "is not", null), where("c.is_group", "=", true)]),
      )
      .orderBy((by) => by.fn.coalesce("c.last_message_at", "c.created_at"), "desc")
      .orderBy("c.id", "desc")
      .limit(maxListed)
      .execute()
  );
}

/** Unread messages are looked for among so many of the newest entries, so that the count has a bound after years. */
const maxUnreadWindow = 10_000;

/** How many messages of others each conversation has beyond what the user has read, among its newest entries. */
export async function countUnread(
  db: Db | Tx,
  userId: UserId,
  conversationIds: ConversationId[],
): Promise<Map<ConversationId, number>> {
  const { rows } = await sql<{ id: ConversationId; unread: number }>`
    select m.conversation_id as id, u.unread
    from conversation_members m
    join conversations c on c.id = m.conversation_id
    cross join lateral (
      select greatest(m.from_seq, c.last_seq - ${maxUnreadWindow}, (
        select max(through_seq) from marks
        where conversation_id = m.conversation_id and user_id = m.user_id and kind = 'read'
      )) as seq
    ) k
    cross join lateral (
      select array(
        select s.seq from single_marks s
        where s.conversation_id = m.conversation_id and s.user_id = m.user_id and s.kind = 'read' and s.seq > k.seq
      ) as seqs
    ) s
    cross join lateral (
      select count(*) as unread from messages x
      where x.conversation_id = m.conversation_id and x.seq > k.seq
        and x.sender_user_id <> m.user_id and x.deleted_at is null and x.seq <> all(s.seqs)
    ) u
    where m.user_id = ${userId} and m.to_seq is null and m.conversation_id = any(${conversationIds}::uuid[])
  `.execute(db);
  return new Map(rows.map((row) => [row.id, row.unread]));
}

/** Which of the users are or were members. */
export async function listMembersAmong(
  db: Db | Tx,
  conversationId: ConversationId,
  userIds: UserId[],
): Promise<UserId[]> {
  const rows = await db
    .selectFrom("conversation_members")
    .select("user_id")
    .distinct()
    .where("conversation_id", "=", conversationId)
    .where("user_id", "=", (by) => by.fn.any(by.val(userIds)))
    .execute();
  return rows.map((row) => row.user_id);
}

/** Which of the users share a conversation with me that both of us are in now. */
export async function listFellows(db: Db | Tx, userId: UserId, userIds: UserId[]): Promise<UserId[]> {
  const rows = await db
    .selectFrom("conversation_members as mine")
    .innerJoin("conversation_members as theirs", "theirs.conversation_id", "mine.conversation_id")
    .select("theirs.user_id")
    .distinct()
    .where("mine.user_id", "=", userId)
    .where("mine.to_seq", "is", null)
    .where("theirs.user_id", "=", (by) => by.fn.any(by.val(userIds)))
    .where("theirs.to_seq", "is", null)
    .execute();
  return rows.map((row) => row.user_id);
}

/** Holds the conversation's row, whose lock every entry takes; undefined for whoever is no present member. */
export async function lockForMember(tx: Tx, conversationId: ConversationId, userId: UserId) {
  const conversation = await tx
    .selectFrom("conversations")
    .select(["user_a", "user_b", "blocked_by_a", "blocked_by_b", "archived_at"])
    .where("id", "=", conversationId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  // Asked once the row is held: until then the user may leave.
  const member = await tx
    .selectFrom("conversation_members")
    .select("from_seq")
    .where("conversation_id", "=", conversationId)
    .where("user_id", "=", userId)
    .where("to_seq", "is", null)
    .executeTakeFirst();
  return member && conversation;
}

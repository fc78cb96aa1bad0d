import type { ConversationId, GroupRole, UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";
import type { BlobId } from "../blobs/blobs.tables.ts";

const maxListed = 1000;

export async function insertGroup(
  tx: Tx,
  group: { id: ConversationId; name: string; owner: UserId; at: Date },
): Promise<void> {
  await tx
    .insertInto("conversations")
    .values({
      id: group.id,
      is_group: true,
      name: group.name,
      user_a: group.owner,
      user_b: group.owner,
      created_at: group.at,
      last_message_at: null,
      last_entry_at: null,
      archived_at: null,
    })
    .execute();
}

/** Locks the group's row: whatever is read of its members after it stays until the transaction ends. */
export function lockGroup(tx: Tx, id: ConversationId) {
  return tx
    .selectFrom("conversations")
    .select(["id", "name", "user_a", "archived_at", "avatar_url", "avatar_blob_id"])
    .where("id", "=", id)
    .where("is_group", "=", true)
    .forUpdate()
    .executeTakeFirst();
}

export function findGroup(db: Db | Tx, id: ConversationId) {
  return db
    .selectFrom("conversations")
    .select(["id", "name", "user_a", "archived_at", "avatar_url", "avatar_blob_id", "avatar_type"])
    .where("id", "=", id)
    .where("is_group", "=", true)
    .executeTakeFirst();
}

/** A present member's role; undefined for whoever is none. */
export async function findRole(
  db: Db | Tx,
  conversationId: ConversationId,
  userId: UserId,
): Promise<GroupRole | undefined> {
  const found = await db
    .selectFrom("conversation_members as m")
    .innerJoin("conversations as c", "c.id", "m.conversation_id")
    .select("m.role")
    .where("m.conversation_id", "=", conversationId)
    .where("m.user_id", "=", userId)
    .where("m.to_seq", "is", null)
    .where("c.is_group", "=", true)
    .executeTakeFirst();
  return found?.role;
}

/** The present members, in the order in which they joined. */
export function listMembers(db: Db | Tx, conversationId: ConversationId) {
  return db
    .selectFrom("conversation_members")
    .select(["user_id", "role", "joined_at"])
    .where("conversation_id", "=", conversationId)
    .where("to_seq", "is", null)
    .orderBy("from_seq")
    .orderBy("user_id")
    .limit(maxListed)
    .execute();
}

export async function countMembers(db: Db | Tx, conversationId: ConversationId): Promise<number> {
  const { count } = await db
    .selectFrom("conversation_members")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("conversation_id", "=", conversationId)
    .where("to_seq", "is", null)
    .executeTakeFirstOrThrow();
  return count;
}

/** Which of the users are members at present. */
export async function findPresent(
  tx: Tx,
  conversationId: ConversationId,
  userIds: UserId[],
): Promise<Set<UserId>> {
  const rows = await tx
    .selectFrom("conversation_members")
    .select("user_id")
    .where("conversation_id", "=", conversationId)
    .where("to_seq", "is", null)
    .where("user_id", "=", (any) => any.fn.any(sql<UserId[]>`${userIds}::uuid[]`))
    .execute();
  return new Set(rows.map((row) => row.user_id));
}

/** Members who see from the entry after `fromSeq` on. */
export async function insertMembers(
  tx: Tx,
  joining: { conversationId: ConversationId; userIds: UserId[]; role: GroupRole; fromSeq: number; at: Date },
): Promise<void> {
  await tx
    .insertInto("conversation_members")
    .values(
      joining.userIds.map((user_id) => ({
        conversation_id: joining.conversationId,
        user_id,
        role: joining.role,
        from_seq: joining.fromSeq,
        to_seq: null,
        joined_at: joining.at,
      })),
    )
    .execute();
}

/** Ends a membership: `toSeq` is the last entry that the user sees. */
export async function endMembership(
  tx: Tx,
  leaving: { conversationId: ConversationId; userId: UserId; toSeq: number },
): Promise<void> {
  await tx
    .updateTable("conversation_members")
    .set({ to_seq: leaving.toSeq })
    .where("conversation_id", "=", leaving.conversationId)
    .where("user_id", "=", leaving.userId)
    .where("to_seq", "is", null)
    .execute();
}

export async function updateRole(
  tx: Tx,
  member: { conversationId: ConversationId; userId: UserId; role: GroupRole },
): Promise<void> {
  await tx
    .updateTable("conversation_members")
    .set({ role: member.role })
    .where("conversation_id", "=", member.conversationId)
    .where("user_id", "=", member.userId)
    .where("to_seq", "is", null)
    .execute();
}

export async function updateGroup(
  tx: Tx,
  id: ConversationId,
  changes: {
    name?: string;
    archived_at?: Date | null;
    user_a?: UserId;
    user_b?: UserId;
    avatar_url?: string | null;
    avatar_blob_id?: BlobId | null;
    avatar_type?: string | null;
  },
): Promise<void> {
  await tx.updateTable("conversations").set(changes).where("id", "=", id).execute();
}

/** The user's groups, the last active first. */
export function listGroups(db: Db | Tx, userId: UserId) {
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
      .select(["c.id", "c.name", "c.last_message_at", "c.archived_at", "m.role"])
      .select((select) =>
        select
          .selectFrom("conversation_members as o")
          .select((count) => count.fn.countAll<number>().as("count"))
          .whereRef("o.conversation_id", "=", "c.id")
          .where("o.to_seq", "is", null)
          .as("member_count"),
      )
      .where("m.user_id", "=", userId)
      .where("m.to_seq", "is", null)
      .where("c.is_group", "=", true)
      .orderBy((by) => by.fn.coalesce("c.last_entry_at", "c.created_at"), "desc")
      .orderBy("c.id", "desc")
      .limit(maxListed)
      .execute()
  );
}

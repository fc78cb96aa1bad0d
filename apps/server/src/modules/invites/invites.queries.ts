import type { ConversationId, UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";

const columns = [
  "conversation_id",
  "code",
  "created_by",
  "created_at",
  "expires_at",
  "max_uses",
  "uses",
] as const;

export function insertInvite(
  tx: Tx,
  invite: {
    conversationId: ConversationId;
    code: string;
    createdBy: UserId;
    at: Date;
    expiresAt: Date | null;
    maxUses: number;
  },
) {
  return tx
    .insertInto("group_invites")
    .values({
      conversation_id: invite.conversationId,
      code: invite.code,
      created_by: invite.createdBy,
      created_at: invite.at,
      expires_at: invite.expiresAt,
      max_uses: invite.maxUses,
    })
    .execute();
}

/** Which group an invite leads to, and that group's name. */
export function findInvite(db: Db | Tx, code: string) {
  return db
    .selectFrom("group_invites as i")
    .innerJoin("conversations as c", "c.id", "i.conversation_id")
    .select(["i.conversation_id", "i.expires_at", "i.max_uses", "i.uses", "c.name"])
    .where("i.code", "=", code)
    .executeTakeFirst();
}

/** The group's invites that have not expired, the newest first. */
export function listLiveInvites(
  db: Db | Tx,
  conversationId: ConversationId,
  options: { now: Date; limit: number },
) {
  return db
    .selectFrom("group_invites")
    .select(columns)
    .where("conversation_id", "=", conversationId)
    .where((where) => where.or([where("expires_at", "is", null), where("expires_at", ">", options.now)]))
    .orderBy("created_at", "desc")
    .orderBy("code")
    .limit(options.limit)
    .execute();
}

/** Uses an invite up by one; false when its last use is gone. Its row is locked from then on. */
export async function takeUse(tx: Tx, conversationId: ConversationId, code: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("group_invites")
    .set({ uses: sql`uses + 1` })
    .where("conversation_id", "=", conversationId)
    .where("code", "=", code)
    .where((where) => where.or([where("max_uses", "=", 0), where("uses", "<", where.ref("max_uses"))]))
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function deleteInvite(tx: Tx, conversationId: ConversationId, code: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom("group_invites")
    .where("conversation_id", "=", conversationId)
    .where("code", "=", code)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

export async function deleteExpiredInvites(
  tx: Tx,
  conversationId: ConversationId,
  before: Date,
): Promise<void> {
  await tx
    .deleteFrom("group_invites")
    .where("conversation_id", "=", conversationId)
    .where("expires_at", "<", before)
    .execute();
}

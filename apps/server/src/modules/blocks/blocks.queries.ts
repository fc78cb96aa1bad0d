import type { UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";

interface Block {
  userId: UserId;
  blockedUserId: UserId;
}

/** False when it stands already. */
export async function insertBlock(tx: Tx, block: Block & { at: Date }): Promise<boolean> {
  const inserted = await tx
    .insertInto("blocks")
    .values({ user_id: block.userId, blocked_user_id: block.blockedUserId, created_at: block.at })
    .onConflict((conflict) => conflict.doNothing())
    .returning("user_id")
    .executeTakeFirst();
  return inserted !== undefined;
}

/** False when there was none. */
export async function deleteBlock(tx: Tx, block: Block): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom("blocks")
    .where("user_id", "=", block.userId)
    .where("blocked_user_id", "=", block.blockedUserId)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

export async function countBlocks(tx: Tx, userId: UserId): Promise<number> {
  const { count } = await tx
    .selectFrom("blocks")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("user_id", "=", userId)
    .executeTakeFirstOrThrow();
  return count;
}

export function listBlocks(db: Db, userId: UserId, limit: number) {
  return db
    .selectFrom("blocks")
    .select(["blocked_user_id", "created_at"])
    .where("user_id", "=", userId)
    .orderBy("created_at")
    .orderBy("blocked_user_id")
    .limit(limit)
    .execute();
}

/** Those of `others` with whom a block stands, whoever of the two made it. */
export async function listBlockedAmong(db: Db | Tx, userId: UserId, others: UserId[]): Promise<UserId[]> {
  const { rows } = await sql<{ id: UserId }>`
    select blocked_user_id as id from blocks
    where user_id = ${userId} and blocked_user_id = any(${others}::uuid[])
    union
    select user_id from blocks
    where user_id = any(${others}::uuid[]) and blocked_user_id = ${userId}
    order by id
  `.execute(db);
  return rows.map(({ id }) => id);
}

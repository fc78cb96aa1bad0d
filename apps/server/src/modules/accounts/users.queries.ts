import { sql } from "kysely";
import type { UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";

/** The user of a phone number, made at its first verification. */
export async function findOrCreateUser(
  tx: Tx,
  user: { id: UserId; phone: string; name: string | null; now: Date },
): Promise<{ userId: UserId; isNew: boolean }> {
  const created = await tx
    .insertInto("users")
    .values({ id: user.id, phone: user.phone, name: user.name, created_at: user.now, last_seen_at: null })
    .onConflict((conflict) => conflict.column("phone").doNothing())
    .returning("id")
    .executeTakeFirst();
  if (created) {
    await tx.insertInto("account_logs").values({ user_id: created.id }).execute();
    return { userId: created.id, isNew: true };
  }
  const found = await tx
    .selectFrom("users")
    .select(["id", "name"])
    .where("phone", "=", user.phone)
    .executeTakeFirstOrThrow();
  if (found.name === null && user.name !== null) {
    await tx.updateTable("users").set({ name: user.name }).where("id", "=", found.id).execute();
  }
  return { userId: found.id, isNew: false };
}

/** Taken by whoever changes a user's devices, and shared by whoever makes a conversation with the user. */
export function lockUser(tx: Tx, id: UserId) {
  return tx.selectFrom("users").select("id").where("id", "=", id).forUpdate().execute();
}

/** Locks both, in the order of their ids. Gives those that exist. */
export async function lockUsers(tx: Tx, ids: UserId[]): Promise<UserId[]> {
  const locked = await tx
    .selectFrom("users")
    .select("id")
    .where("id", "in", ids)
    .orderBy("id")
    .forUpdate()
    .execute();
  return locked.map((user) => user.id);
}

/** Holds the users' device lists still until the end of the transaction. Gives those that exist. */
export async function holdUsers(tx: Tx, ids: UserId[]): Promise<UserId[]> {
  const held = await tx
    .selectFrom("users")
    .select("id")
    .where("id", "in", ids)
    .orderBy("id")
    .forShare()
    .execute();
  return held.map((user) => user.id);
}

export async function findUserByPhone(db: Db | Tx, phone: string): Promise<UserId | undefined> {
  const found = await db.selectFrom("users").select("id").where("phone", "=", phone).executeTakeFirst();
  return found?.id;
}

export function findLastSeen(db: Db | Tx, id: UserId) {
  return db.selectFrom("users").select("last_seen_at").where("id", "=", id).executeTakeFirst();
}

/** The rows are locked in the order of their ids. */
export function updateLastSeen(db: Db | Tx, users: { id: UserId; at: Date }[]) {
  return sql`
    with seen as (
      select u.id, s.at from unnest(${users.map(({ id }) => id)}::uuid[], ${users.map(({ at }) => at)}::timestamptz[])
        as s (id, at)
      join users u on u.id = s.id
      order by u.id for no key update of u
    )
    update users set last_seen_at = seen.at from seen where users.id = seen.id
  `.execute(db);
}

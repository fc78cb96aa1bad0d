import type { UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";
import { deleteOldest, type Expiry } from "../../db/delete-oldest.ts";

/** False when it is one already. */
export async function insertContact(
  tx: Tx,
  contact: { userId: UserId; contactUserId: UserId; at: Date },
): Promise<boolean> {
  const inserted = await tx
    .insertInto("contacts")
    .values({ user_id: contact.userId, contact_user_id: contact.contactUserId, created_at: contact.at })
    .onConflict((conflict) => conflict.doNothing())
    .returning("user_id")
    .executeTakeFirst();
  return inserted !== undefined;
}

export async function countContacts(tx: Tx, userId: UserId): Promise<number> {
  const { count } = await tx
    .selectFrom("contacts")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("user_id", "=", userId)
    .executeTakeFirstOrThrow();
  return count;
}

export function listContacts(db: Db, userId: UserId, limit: number) {
  return db
    .selectFrom("contacts as c")
    .innerJoin("users as u", "u.id", "c.contact_user_id")
    .select(["u.id", "u.phone", "u.name"])
    .where("c.user_id", "=", userId)
    .orderBy("c.created_at")
    .orderBy("c.contact_user_id")
    .limit(limit)
    .execute();
}

interface Lookup {
  userId: UserId;
  numberHash: Buffer;
}

export async function hasLookup(tx: Tx, lookup: Lookup & { since: Date }): Promise<boolean> {
  const found = await tx
    .selectFrom("contact_lookups")
    .select("user_id")
    .where("user_id", "=", lookup.userId)
    .where("number_hash", "=", lookup.numberHash)
    .where("asked_at", ">", lookup.since)
    .executeTakeFirst();
  return found !== undefined;
}

/** How many numbers the user asked for since then, and when the first of them was. */
export async function countLookups(
  tx: Tx,
  userId: UserId,
  since: Date,
): Promise<{ count: number; firstAt: Date | null }> {
  const { rows } = await sql<{ count: number; firstAt: Date | null }>`
    select count(*) as count, min(asked_at) as "firstAt" from contact_lookups
    where user_id = ${userId} and asked_at > ${since}
  `.execute(tx);
  return rows[0] ?? { count: 0, firstAt: null };
}

export function upsertLookup(tx: Tx, lookup: Lookup & { at: Date }) {
  return tx
    .insertInto("contact_lookups")
    .values({ user_id: lookup.userId, number_hash: lookup.numberHash, asked_at: lookup.at })
    .onConflict((conflict) =>
      conflict.columns(["user_id", "number_hash"]).doUpdateSet({ asked_at: lookup.at }),
    )
    .execute();
}

export function deleteOldLookups(tx: Tx, expiry: Expiry): Promise<number> {
  return deleteOldest(tx, { table: "contact_lookups", column: "asked_at" }, expiry);
}

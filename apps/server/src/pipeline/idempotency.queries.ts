import type { UserId } from "@sotto/schema";
import type { Db, Tx } from "../db/db.ts";
import { deleteOldest, type Expiry } from "../db/delete-oldest.ts";

/** Takes the key for this transaction; false when it is taken, after waiting for that transaction's end. */
export async function insertKey(
  tx: Tx,
  key: { userId: UserId; key: string; requestHash: Buffer; at: Date },
): Promise<boolean> {
  const inserted = await tx
    .insertInto("idempotency_keys")
    .values({
      user_id: key.userId,
      key: key.key,
      request_hash: key.requestHash,
      response: null,
      created_at: key.at,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("key")
    .executeTakeFirst();
  return inserted !== undefined;
}

export function findKey(db: Db | Tx, userId: UserId, key: string) {
  return db
    .selectFrom("idempotency_keys")
    .select(["request_hash", "response"])
    .where("user_id", "=", userId)
    .where("key", "=", key)
    .executeTakeFirst();
}

export function storeAnswer(tx: Tx, answer: { userId: UserId; key: string; response: object }) {
  return tx
    .updateTable("idempotency_keys")
    .set({ response: JSON.stringify(answer.response) })
    .where("user_id", "=", answer.userId)
    .where("key", "=", answer.key)
    .execute();
}

export function deleteOldKeys(tx: Tx, expiry: Expiry): Promise<number> {
  return deleteOldest(tx, { table: "idempotency_keys", column: "created_at" }, expiry);
}

import type { Db, Tx } from "../../db/db.ts";
import { deleteOldest, type Expiry } from "../../db/delete-oldest.ts";

/** False when the signature was seen before, on whichever process. */
export async function insertSignature(db: Db, signature: Buffer, at: Date): Promise<boolean> {
  const inserted = await db
    .insertInto("payment_webhooks")
    .values({ signature, received_at: at })
    .onConflict((conflict) => conflict.doNothing())
    .returning("received_at")
    .executeTakeFirst();
  return inserted !== undefined;
}

export function deleteSignatures(tx: Tx, expiry: Expiry): Promise<number> {
  return deleteOldest(tx, { table: "payment_webhooks", column: "received_at" }, expiry);
}

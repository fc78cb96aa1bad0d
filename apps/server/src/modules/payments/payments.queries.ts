import type { Db } from "../../db/db.ts";

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

export function deleteSignatures(db: Db, before: Date) {
  return db.deleteFrom("payment_webhooks").where("received_at", "<", before).execute();
}

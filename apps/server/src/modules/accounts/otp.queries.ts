import type { Db, Tx } from "../../db/db.ts";
import { deleteOldest, type Expiry } from "../../db/delete-oldest.ts";

/** How many codes of one number may be live at a time; older ones stop counting. */
const maxLiveChallenges = 5;

export function insertChallenge(
  db: Db | Tx,
  challenge: { id: string; phone: string; codeHash: Buffer; createdAt: Date; expiresAt: Date },
) {
  return db
    .insertInto("otp_challenges")
    .values({
      id: challenge.id,
      phone: challenge.phone,
      code_hash: challenge.codeHash,
      attempts: 0,
      created_at: challenge.createdAt,
      expires_at: challenge.expiresAt,
    })
    .execute();
}

export function listLiveChallenges(db: Db | Tx, phone: string, now: Date) {
  return db
    .selectFrom("otp_challenges")
    .select(["id", "code_hash", "attempts"])
    .where("phone", "=", phone)
    .where("expires_at", ">", now)
    .orderBy("created_at", "desc")
    .limit(maxLiveChallenges)
    .execute();
}

export function countAttempt(db: Db | Tx, ids: string[]) {
  return db
    .updateTable("otp_challenges")
    .set((set) => ({ attempts: set("attempts", "+", 1) }))
    .where("id", "in", ids)
    .execute();
}

export function deleteChallenges(db: Db | Tx, phone: string) {
  return db.deleteFrom("otp_challenges").where("phone", "=", phone).execute();
}

export function deleteExpiredChallenges(tx: Tx, expiry: Expiry): Promise<number> {
  return deleteOldest(tx, { table: "otp_challenges", column: "expires_at" }, expiry);
}

/** Takes the number's row, so that tries for one number run one after the other. */
export async function lockPhone(tx: Tx, phone: string) {
  await tx
    .insertInto("otp_locks")
    .values({ phone, failures: 0, level: 0, locked_until: null })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return tx
    .selectFrom("otp_locks")
    .select(["failures", "level", "locked_until"])
    .where("phone", "=", phone)
    .forUpdate()
    .executeTakeFirstOrThrow();
}

export function updateLock(
  tx: Tx,
  phone: string,
  lock: { failures: number; level: number; locked_until: Date | null },
) {
  return tx.updateTable("otp_locks").set(lock).where("phone", "=", phone).execute();
}

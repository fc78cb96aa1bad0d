import type { UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import type { Lockout } from "./lockout.ts";
import type { PinHash } from "./pin-hash.ts";

export function findPin(db: Db | Tx, userId: UserId) {
  return db
    .selectFrom("registration_pins")
    .select(["salt", "hash"])
    .where("user_id", "=", userId)
    .executeTakeFirst();
}

/** Takes the PIN's row, so that tries and changes run one after the other. */
export function lockPin(tx: Tx, userId: UserId) {
  return tx
    .selectFrom("registration_pins")
    .select(["salt", "hash", "failures", "level", "locked_until"])
    .where("user_id", "=", userId)
    .forUpdate()
    .executeTakeFirst();
}

/** The PIN of the user with this number, and when that user was last seen in any way. */
export function findPinOfPhone(db: Db | Tx, phone: string) {
  return db
    .selectFrom("users")
    .innerJoin("registration_pins", "registration_pins.user_id", "users.id")
    .select((select) => [
      "users.id as user_id",
      "registration_pins.salt",
      "registration_pins.hash",
      select.fn<Date>("greatest", ["registration_pins.seen_at", "users.last_seen_at"]).as("seen_at"),
    ])
    .where("users.phone", "=", phone)
    .executeTakeFirst();
}

/** False when there is one already. */
export async function insertPin(tx: Tx, pin: PinHash & { userId: UserId; at: Date }): Promise<boolean> {
  const inserted = await tx
    .insertInto("registration_pins")
    .values({ user_id: pin.userId, salt: pin.salt, hash: pin.hash, seen_at: pin.at })
    .onConflict((conflict) => conflict.doNothing())
    .returning("user_id")
    .executeTakeFirst();
  return inserted !== undefined;
}

export function updatePin(tx: Tx, userId: UserId, change: Partial<PinHash> & Partial<Lockout>) {
  return tx.updateTable("registration_pins").set(change).where("user_id", "=", userId).execute();
}

export function deletePin(tx: Tx, userId: UserId) {
  return tx.deleteFrom("registration_pins").where("user_id", "=", userId).execute();
}

export function updatePinSeen(db: Db | Tx, userId: UserId, at: Date) {
  return db.updateTable("registration_pins").set({ seen_at: at }).where("user_id", "=", userId).execute();
}

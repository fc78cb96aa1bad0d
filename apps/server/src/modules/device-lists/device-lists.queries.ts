import type { DeviceId, UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";

const columns = ["version", "list", "hash"] as const;

export function findNewestList(db: Db | Tx, userId: UserId) {
  return db
    .selectFrom("device_lists")
    .select(columns)
    .where("user_id", "=", userId)
    .orderBy("version", "desc")
    .limit(1)
    .executeTakeFirst();
}

export function findList(db: Db | Tx, userId: UserId, version: number) {
  return db
    .selectFrom("device_lists")
    .select(columns)
    .where("user_id", "=", userId)
    .where("version", "=", version)
    .executeTakeFirst();
}

export function listAbove(db: Db | Tx, userId: UserId, page: { sinceVersion: number; limit: number }) {
  return db
    .selectFrom("device_lists")
    .select(columns)
    .where("user_id", "=", userId)
    .where("version", ">", page.sinceVersion)
    .orderBy("version")
    .limit(page.limit)
    .execute();
}

export function insertList(
  tx: Tx,
  row: { userId: UserId; version: number; list: Buffer; hash: Buffer; at: Date },
) {
  return tx
    .insertInto("device_lists")
    .values({
      user_id: row.userId,
      version: row.version,
      list: row.list,
      hash: row.hash,
      published_at: row.at,
    })
    .execute();
}

/** The newest one counts. */
export function upsertHandover(
  tx: Tx,
  row: {
    userId: UserId;
    deviceId: DeviceId;
    fromDeviceId: DeviceId;
    body: string;
    wrap: string;
    at: Date;
  },
) {
  return tx
    .insertInto("device_handovers")
    .values({
      user_id: row.userId,
      device_id: row.deviceId,
      from_device_id: row.fromDeviceId,
      body: row.body,
      wrap: row.wrap,
      created_at: row.at,
    })
    .onConflict((conflict) =>
      conflict.columns(["user_id", "device_id"]).doUpdateSet({
        from_device_id: (update) => update.ref("excluded.from_device_id"),
        body: (update) => update.ref("excluded.body"),
        wrap: (update) => update.ref("excluded.wrap"),
        created_at: (update) => update.ref("excluded.created_at"),
      }),
    )
    .execute();
}

export function findHandover(db: Db | Tx, userId: UserId, deviceId: DeviceId) {
  return db
    .selectFrom("device_handovers")
    .select(["from_device_id", "body", "wrap"])
    .where("user_id", "=", userId)
    .where("device_id", "=", deviceId)
    .executeTakeFirst();
}

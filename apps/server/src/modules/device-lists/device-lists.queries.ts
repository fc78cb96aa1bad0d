import type { DeviceId, UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";
import { prepare } from "../../db/statements.ts";

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

const selectNewestVersions = prepare<{ user_id: UserId; newest: number }>(
  "select_newest_versions",
  `select user_id, max(version) as newest from device_lists where user_id = any($1::uuid[]) group by user_id`,
);

export async function listNewestVersions(db: Db | Tx, userIds: UserId[]): Promise<Map<UserId, number>> {
  const rows = await selectNewestVersions(db, [userIds]);
  return new Map(rows.map((row) => [row.user_id, row.newest]));
}

/** The lists of each user above a version, oldest first. */
export function listAbove(db: Db | Tx, sinces: Map<UserId, number>, limitOfEach: number) {
  return db
    .selectFrom(
      sql<{ user_id: UserId; since: number }>`unnest(${[...sinces.keys()]}::uuid[], ${[
        ...sinces.values(),
      ]}::int[])`.as<"asked">(sql`asked (user_id, since)`),
    )
    .innerJoinLateral(
      (lateral) =>
        lateral
          .selectFrom("device_lists")
          .select(["version", "list"])
          .whereRef("device_lists.user_id", "=", "asked.user_id")
          .whereRef("version", ">", "asked.since")
          .orderBy("version")
          .limit(limitOfEach)
          .as("found"),
      (join) => join.onTrue(),
    )
    .select(["asked.user_id", "found.version", "found.list"])
    .orderBy("asked.user_id")
    .orderBy("found.version")
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

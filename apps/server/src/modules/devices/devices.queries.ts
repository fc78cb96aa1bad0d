import type { ConversationId, DeviceId, UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";
import { prepare } from "../../db/statements.ts";

const columns = ["device_id", "public_key", "device_name", "created_at"] as const;

export function listDevices(db: Db | Tx, userId: UserId) {
  return db
    .selectFrom("devices")
    .select(columns)
    .where("user_id", "=", userId)
    .orderBy("created_at")
    .orderBy("device_id")
    .execute();
}

export function findDevice(db: Db | Tx, userId: UserId, deviceId: DeviceId) {
  return db
    .selectFrom("devices")
    .select([...columns, "push_token"])
    .where("user_id", "=", userId)
    .where("device_id", "=", deviceId)
    .executeTakeFirst();
}

export async function countDevices(db: Db | Tx, userId: UserId): Promise<number> {
  const { count } = await db
    .selectFrom("devices")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("user_id", "=", userId)
    .executeTakeFirstOrThrow();
  return count;
}

const selectDevicesOf = prepare<{ user_id: UserId; device_id: DeviceId; public_key: string }>(
  "select_devices_of",
  `select user_id, device_id, public_key from devices where user_id = any($1::uuid[])`,
);

export function listDevicesOfUsers(db: Db | Tx, userIds: UserId[]) {
  return selectDevicesOf(db, [userIds]);
}

/** As `listDevices`, for several users. */
export function listDevicesWithNames(db: Db | Tx, userIds: UserId[]) {
  return db
    .selectFrom("devices")
    .select(["user_id", ...columns])
    .where("user_id", "=", (by) => by.fn.any(by.val(userIds)))
    .orderBy("created_at")
    .orderBy("device_id")
    .execute();
}

export function upsertDevice(
  tx: Tx,
  device: {
    userId: UserId;
    deviceId: DeviceId;
    publicKey: string;
    deviceName: string | null;
    pushToken: string | null;
    at: Date;
  },
) {
  return tx
    .insertInto("devices")
    .values({
      user_id: device.userId,
      device_id: device.deviceId,
      public_key: device.publicKey,
      device_name: device.deviceName,
      push_token: device.pushToken,
      created_at: device.at,
      updated_at: device.at,
      last_seen_at: device.at,
    })
    .onConflict((conflict) =>
      conflict.columns(["user_id", "device_id"]).doUpdateSet({
        public_key: (update) => update.ref("excluded.public_key"),
        device_name: (update) => update.ref("excluded.device_name"),
        push_token: (update) => update.ref("excluded.push_token"),
        updated_at: (update) => update.ref("excluded.updated_at"),
        last_seen_at: (update) => update.ref("excluded.last_seen_at"),
      }),
    )
    .returning(columns)
    .executeTakeFirstOrThrow();
}

export async function updateDevice(
  tx: Tx,
  device: { userId: UserId; deviceId: DeviceId; at: Date },
  changes: { device_name?: string | null; push_token?: string | null },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("devices")
    .set({ ...changes, updated_at: device.at })
    .where("user_id", "=", device.userId)
    .where("device_id", "=", device.deviceId)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function deleteDevice(tx: Tx, userId: UserId, deviceId: DeviceId): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom("devices")
    .where("user_id", "=", userId)
    .where("device_id", "=", deviceId)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** The rows are locked in the order of their keys. */
export function touchDevices(db: Db | Tx, devices: { userId: UserId; deviceId: DeviceId; at: Date }[]) {
  const [users, ids, times] = [
    devices.map(({ userId }) => userId),
    devices.map(({ deviceId }) => deviceId),
    devices.map(({ at }) => at),
  ];
  return sql`
    with seen as (
      select d.user_id, d.device_id, s.at
      from unnest(${users}::uuid[], ${ids}::text[], ${times}::timestamptz[]) as s (user_id, device_id, at)
      join devices d on d.user_id = s.user_id and d.device_id = s.device_id
      order by d.user_id, d.device_id for no key update of d
    )
    update devices d set last_seen_at = seen.at from seen
    where d.user_id = seen.user_id and d.device_id = seen.device_id
  `.execute(db);
}

/**
 * Tells every conversation of the user that its devices changed. The rows are locked in id order:
 * a send holds one of them, another device change may hold several.
 */
export async function raiseRosterVersions(tx: Tx, userId: UserId): Promise<void> {
  const locked = await tx
    .selectFrom("conversations")
    .select("id")
    .where("id", "in", (where) =>
      where
        .selectFrom("conversation_members")
        .select("conversation_id")
        .where("user_id", "=", userId)
        .where("to_seq", "is", null),
    )
    .orderBy("id")
    .forUpdate()
    .execute();
  const ids = locked.map((row): ConversationId => row.id);
  if (ids.length === 0) return;
  await tx
    .updateTable("conversations")
    .set({ roster_version: sql`roster_version + 1` })
    .where("id", "=", (any) => any.fn.any(sql<ConversationId[]>`${ids}::uuid[]`))
    .execute();
}

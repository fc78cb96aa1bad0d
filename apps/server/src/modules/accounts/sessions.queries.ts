import type { DeviceId, UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import { deleteOldest, type Expiry } from "../../db/delete-oldest.ts";
import type { SessionEnd, SessionId } from "./accounts.tables.ts";

export function insertSession(
  db: Db | Tx,
  session: { id: SessionId; userId: UserId; createdAt: Date; expiresAt: Date },
) {
  return db
    .insertInto("sessions")
    .values({
      id: session.id,
      user_id: session.userId,
      device_id: null,
      created_at: session.createdAt,
      expires_at: session.expiresAt,
      ended_at: null,
      end_reason: null,
      changed_at: session.createdAt,
    })
    .execute();
}

export function findSession(db: Db | Tx, id: SessionId) {
  return db
    .selectFrom("sessions")
    .leftJoin("registration_pins", "registration_pins.user_id", "sessions.user_id")
    .select([
      "sessions.user_id",
      "sessions.device_id",
      "sessions.end_reason",
      "registration_pins.seen_at as pin_seen_at",
    ])
    .where("sessions.id", "=", id)
    .executeTakeFirst();
}

/** Makes the device the session's own; the session may have published others before. */
export async function linkDevice(
  db: Db | Tx,
  link: { sessionId: SessionId; userId: UserId; deviceId: DeviceId; at: Date },
): Promise<void> {
  await db
    .insertInto("session_devices")
    .values({ session_id: link.sessionId, user_id: link.userId, device_id: link.deviceId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await db
    .updateTable("sessions")
    .set({ device_id: link.deviceId, changed_at: link.at })
    .where("id", "=", link.sessionId)
    .execute();
}

/** Ends every live session that published the device; gives their ids. */
export async function endSessionsOfDevice(
  db: Db | Tx,
  device: { userId: UserId; deviceId: DeviceId; at: Date },
): Promise<SessionId[]> {
  const ended = await db
    .updateTable("sessions")
    .set({ ended_at: device.at, end_reason: "device_removed", changed_at: device.at })
    .where("ended_at", "is", null)
    .where((where) =>
      where(
        "id",
        "in",
        where
          .selectFrom("session_devices")
          .select("session_id")
          .where("user_id", "=", device.userId)
          .where("device_id", "=", device.deviceId),
      ),
    )
    .returning("id")
    .execute();
  return ended.map((session) => session.id);
}

export function endSession(db: Db | Tx, end: { id: SessionId; reason: SessionEnd; at: Date }) {
  return db
    .updateTable("sessions")
    .set({ ended_at: end.at, end_reason: end.reason, changed_at: end.at })
    .where("id", "=", end.id)
    .where("ended_at", "is", null)
    .execute();
}

export function listSessionsChangedSince(db: Db | Tx, since: Date) {
  return db
    .selectFrom("sessions")
    .select(["id", "changed_at", "end_reason"])
    .where("changed_at", ">", since)
    .execute();
}

export function deleteExpiredSessions(tx: Tx, expiry: Expiry): Promise<number> {
  return deleteOldest(tx, { table: "sessions", column: "expires_at" }, expiry);
}

import type { Device, DeviceId, UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { endSessionsOfDevice, linkDevice } from "../accounts/sessions.service.ts";
import { lockUser } from "../accounts/users.service.ts";
import { listFellows } from "../conversations/conversations.service.ts";
import { appendAccountEntries, deletePositions, startPositions } from "../logs/logs.service.ts";
import {
  countDevices,
  deleteDevice,
  findDevice,
  listDevices,
  listDevicesWithNames,
  raiseRosterVersions,
  updateDevice,
  upsertDevice,
} from "./devices.queries.ts";

/** Every device costs each sender a wrap. */
export const maxDevicesPerUser = 32;

export { listDevicesOfUsers, raiseRosterVersions, touchDevices } from "./devices.queries.ts";

interface Publication {
  deviceId?: DeviceId | null | undefined;
  publicKey: string;
  deviceName?: string | null | undefined;
  pushToken?: string | null | undefined;
}

/** Registers the token's device, or updates it. The user's devices change one at a time. */
export async function publishDevice(call: Call, publication: Publication): Promise<Device> {
  const { app, caller } = call;
  return transact(call, async (tx, wakes) => {
    const { userId, sessionId } = caller;
    const at = app.now();
    const deviceId = publication.deviceId ?? app.newId<DeviceId>();
    await lockUser(tx, userId);
    const earlier = await findDevice(tx, userId, deviceId);
    if (!earlier && (await countDevices(tx, userId)) >= maxDevicesPerUser) {
      throw new AppError("DEVICE_LIMIT_REACHED");
    }
    const device = await upsertDevice(tx, {
      userId,
      deviceId,
      publicKey: publication.publicKey,
      deviceName: publication.deviceName ?? earlier?.device_name ?? null,
      pushToken: publication.pushToken ?? earlier?.push_token ?? null,
      at,
    });
    await linkDevice(tx, { sessionId, userId, deviceId, at });
    wakes.push({ kind: "session_changed", sessionId, end: null });
    if (!earlier) await startPositions(tx, { userId, deviceId });
    if (earlier?.public_key !== device.public_key) await raiseRosterVersions(tx, userId);
    if (!earlier || earlier.public_key !== device.public_key || earlier.device_name !== device.device_name) {
      const change = earlier ? "updated" : "added";
      await appendAccountEntries(tx, wakes, {
        userId,
        at,
        events: [{ type: "device_list.changed", change, deviceId }],
      });
    }
    return toDevice(device);
  });
}

export function getDevices(call: Call, userId: UserId): Promise<Device[]> {
  return listDevicesOf(call.app.db, userId);
}

export async function listDevicesOf(db: Db | Tx, userId: UserId): Promise<Device[]> {
  return (await listDevices(db, userId)).map(toDevice);
}

/** As `listDevicesOf`, of several users. */
export async function listDevicesOfEach(db: Db | Tx, userIds: UserId[]): Promise<Map<UserId, Device[]>> {
  const devices = new Map(userIds.map((userId): [UserId, Device[]] => [userId, []]));
  for (const row of await listDevicesWithNames(db, userIds)) devices.get(row.user_id)?.push(toDevice(row));
  return devices;
}

/**
 * Counts look-ups of keys. Whom the caller shares a conversation with is no stranger: sending to a group must not use
 * up the key look-ups. Each of the others counts as one. Throws `RATE_LIMITED`.
 */
export async function countKeyLookups({ app, caller }: Call, userIds: UserId[]): Promise<void> {
  const known = new Set([caller.userId, ...(await listFellows(app.db, caller.userId, userIds))]);
  const strangers = userIds.filter((userId) => !known.has(userId)).length;
  const retryAfter = strangers > 0 ? await app.limits.consume("keys", caller.userId, strangers) : 0;
  if (retryAfter > 0) throw new AppError("RATE_LIMITED", { retryAfter });
}

/** The devices of several users. */
export async function getDevicesOfMany(
  call: Call,
  named: UserId[],
): Promise<{ users: { userId: UserId; devices: Device[] }[] }> {
  const userIds = [...new Set(named)];
  await countKeyLookups(call, userIds);
  const found = await listDevicesOfEach(call.app.db, userIds);
  return { users: [...found].map(([userId, devices]) => ({ userId, devices })) };
}

export async function renameDevice(
  call: Call,
  change: {
    deviceId: DeviceId;
    deviceName?: string | null | undefined;
    pushToken?: string | null | undefined;
  },
) {
  const { app, caller } = call;
  const { deviceId } = change;
  return transact(call, async (tx, wakes) => {
    const at = app.now();
    await lockUser(tx, caller.userId);
    const isFound = await updateDevice(
      tx,
      { userId: caller.userId, deviceId, at },
      {
        ...(change.deviceName === undefined ? {} : { device_name: change.deviceName }),
        ...(change.pushToken === undefined ? {} : { push_token: change.pushToken }),
      },
    );
    if (!isFound) throw new AppError("DEVICE_NOT_FOUND");
    await appendAccountEntries(tx, wakes, {
      userId: caller.userId,
      at,
      events: [{ type: "device_list.changed", change: "updated", deviceId }],
    });
    return { detail: "ok" as const };
  });
}

/** Removes a device, and ends the tokens that published it and their sockets. */
export async function removeDevice(call: Call, deviceId: DeviceId) {
  const { app, caller } = call;
  const { userId } = caller;
  return transact(call, async (tx, wakes) => {
    const at = app.now();
    await lockUser(tx, userId);
    const ended = await endSessionsOfDevice(tx, { userId, deviceId, at });
    if (!(await deleteDevice(tx, userId, deviceId))) throw new AppError("DEVICE_NOT_FOUND");
    await deletePositions(tx, { userId, deviceId });
    await raiseRosterVersions(tx, userId);
    await appendAccountEntries(tx, wakes, {
      userId,
      at,
      events: [{ type: "device_list.changed", change: "removed", deviceId }],
    });
    for (const sessionId of ended) wakes.push({ kind: "session_changed", sessionId, end: "device_removed" });
    return { detail: "ok" as const };
  });
}

/** A device that this user has registered: throws `DEVICE_INVALID` for any other. */
export async function requireDeviceOf(tx: Tx, userId: UserId, deviceId: DeviceId): Promise<void> {
  if (!(await findDevice(tx, userId, deviceId))) throw new AppError("DEVICE_INVALID");
}

function toDevice(row: {
  device_id: DeviceId;
  public_key: string;
  device_name: string | null;
  created_at: Date;
}): Device {
  return {
    deviceId: row.device_id,
    publicKey: row.public_key,
    deviceName: row.device_name,
    createdAt: row.created_at.toISOString(),
  };
}

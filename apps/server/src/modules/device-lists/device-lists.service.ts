import { createHash } from "node:crypto";
import {
  encodeBase64url,
  maxListsOfEach,
  maxListsPerPage,
  parseDeviceList,
  SealedFormatError,
  type DeviceId,
  type DeviceListParts,
  type KnownDevices,
  type UserId,
} from "@sotto/schema";
import type { App } from "../../app.ts";
import type { Db, Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call, DeviceCaller } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { lockUser } from "../accounts/users.service.ts";
import {
  countKeyLookups,
  listDevicesOfEach,
  raiseRosterVersions,
  requireDeviceOf,
} from "../devices/devices.service.ts";
import { appendAccountEntries } from "../logs/logs.service.ts";
import {
  findHandover,
  findList,
  findNewestList,
  insertList,
  listAbove,
  listNewestVersions,
  upsertHandover,
} from "./device-lists.queries.ts";

interface Publication {
  list: string;
  handover?: { deviceId: DeviceId; body: string; wrap: string } | null | undefined;
}

/**
 * Appends the next list of the caller's chain. Who signed it is for clients to judge: the server holds no more than
 * that the chain has no gap and no fork.
 */
export async function publishList(call: Call<DeviceCaller>, { list, handover }: Publication) {
  const { app, caller } = call;
  const { userId } = caller;
  const { version, prevHash, bytes } = parseOwnList(list, userId);
  return transact(call, async (tx, wakes) => {
    const at = app.now();
    await lockUser(tx, userId);
    const newest = await findNewestList(tx, userId);
    const currentVersion = newest?.version ?? 0;
    const stored = version > currentVersion ? undefined : await findList(tx, userId, version);
    if (stored?.list.equals(bytes)) return { version };
    const follows = Buffer.compare(prevHash ?? Buffer.alloc(0), newest?.hash ?? Buffer.alloc(0)) === 0;
    if (version !== currentVersion + 1 || !follows) {
      throw new AppError("DEVICE_LIST_CONFLICT", { currentVersion });
    }
    const hash = createHash("sha256").update(bytes).digest();
    await insertList(tx, { userId, version, list: Buffer.from(bytes), hash, at });
    if (handover) {
      await requireDeviceOf(tx, userId, handover.deviceId);
      await upsertHandover(tx, { userId, fromDeviceId: caller.deviceId, ...handover, at });
    }
    // A send that was checked against the list before must not be stored after this one.
    await raiseRosterVersions(tx, userId);
    await appendAccountEntries(tx, wakes, { userId, at, events: [{ type: "device_list.signed", version }] });
    return { version };
  });
}

function parseOwnList(list: string, userId: UserId): DeviceListParts {
  let parts: DeviceListParts;
  try {
    parts = parseDeviceList(list);
  } catch (error) {
    if (error instanceof SealedFormatError) throw new AppError("DEVICE_LIST_REFUSED", { field: "list" });
    throw error;
  }
  if (parts.userId !== userId) throw new AppError("DEVICE_LIST_REFUSED", { field: "user_id" });
  return parts;
}

interface Asked {
  userId: UserId;
  sinceVersion?: number | undefined;
}

export async function getLists({ app }: Call, asked: Asked): Promise<KnownDevices> {
  const [found] = await readLists(app, [asked], maxListsPerPage);
  if (!found) throw new Error("Somebody was asked for and is not in the answer");
  const { userId: _, ...known } = found;
  return known;
}

export async function getListsOfMany(call: Call, { users }: { users: Asked[] }) {
  const distinct = [...new Map(users.map((asked) => [asked.userId, asked])).values()];
  await countKeyLookups(
    call,
    distinct.map(({ userId }) => userId),
  );
  return { users: await readLists(call.app, distinct, maxListsOfEach) };
}

/** Lists and devices of one moment: a device that comes or goes meanwhile must not look like one that nobody signed. */
function readLists(app: App, asked: Asked[], limitOfEach: number): Promise<(KnownDevices & Asked)[]> {
  const userIds = asked.map(({ userId }) => userId);
  return app.db
    .transaction()
    .setIsolationLevel("repeatable read")
    .setAccessMode("read only")
    .execute(async (tx) => {
      const newest = await listNewestVersions(tx, userIds);
      const sinces = new Map(
        asked.map(({ userId, sinceVersion }): [UserId, number] => [
          userId,
          sinceVersion ?? Math.max(0, (newest.get(userId) ?? 0) - 1),
        ]),
      );
      const lists = await listAbove(tx, sinces, limitOfEach);
      const devices = await listDevicesOfEach(tx, userIds);
      return userIds.map((userId) => ({
        userId,
        currentVersion: newest.get(userId) ?? 0,
        lists: lists
          .filter((row) => row.user_id === userId)
          .map(({ version, list }) => ({ version, list: encodeBase64url(list) })),
        devices: devices.get(userId) ?? [],
      }));
    });
}

/** The newest version of each user's chain; 0 without one. */
export async function findListVersions(db: Db | Tx, userIds: UserId[]): Promise<Map<UserId, number>> {
  if (userIds.length === 0) return new Map();
  const newest = await listNewestVersions(db, userIds);
  return new Map(userIds.map((userId) => [userId, newest.get(userId) ?? 0]));
}

export async function getHandover({ app, caller }: Call<DeviceCaller>) {
  const row = await findHandover(app.db, caller.userId, caller.deviceId);
  return { handover: row ? { fromDeviceId: row.from_device_id, body: row.body, wrap: row.wrap } : null };
}

import type { DeviceId, UserId } from "@sotto/schema";
import type { Db } from "../../db/db.ts";
import type { Log } from "../../log.ts";
import { updateLastSeen } from "../accounts/users.service.ts";
import { touchDevices } from "../devices/devices.service.ts";

const maxPerStatement = 500;

/**
 * Keeps when users and devices were last connected. What comes while a write runs shares the next one:
 * thousands that come back at once cost the database a few commits, not one each.
 */
export class LastSeen implements AsyncDisposable {
  readonly #db: Db;
  readonly #log: Log;
  readonly #users = new Map<UserId, Date>();
  readonly #devices = new Map<string, { userId: UserId; deviceId: DeviceId; at: Date }>();
  #writing: Promise<void> | undefined;

  constructor({ db, log }: { db: Db; log: Log }) {
    this.#db = db;
    this.#log = log;
  }

  user(id: UserId, at: Date): void {
    this.#users.set(id, at);
    this.#writing ??= this.#write();
  }

  device(userId: UserId, deviceId: DeviceId, at: Date): void {
    this.#devices.set(`${userId}/${deviceId}`, { userId, deviceId, at });
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    await Promise.resolve();
    while (this.#users.size > 0 || this.#devices.size > 0) {
      const users = takeFirst(this.#users).map(([id, at]) => ({ id, at }));
      const devices = takeFirst(this.#devices).map(([, device]) => device);
      try {
        if (users.length > 0) await updateLastSeen(this.#db, users);
        if (devices.length > 0) await touchDevices(this.#db, devices);
      } catch (error) {
        this.#log.warn({ err: error }, "storing last_seen failed");
      }
    }
    this.#writing = undefined;
  }

  /** Resolves when what was noted is stored. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }
}

function takeFirst<Key, Value>(from: Map<Key, Value>): [Key, Value][] {
  const taken = [...from].slice(0, maxPerStatement);
  for (const [key] of taken) from.delete(key);
  return taken;
}

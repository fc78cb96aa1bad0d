import { randomUUIDv7 } from "node:crypto";
import type { DeviceId, UserId } from "@sotto/schema";
import type { Redis } from "ioredis";

const refreshMs = 15_000;
/** A process that dies without a word is forgotten after this. */
const expiryMs = 40_000;

/** Who is connected, on whichever process. */
export interface PresenceStore extends AsyncDisposable {
  connected(userId: UserId): void;
  disconnected(userId: UserId): void;
  isOnline(userId: UserId): Promise<boolean>;
  deviceConnected(userId: UserId, deviceId: DeviceId): void;
  deviceDisconnected(userId: UserId, deviceId: DeviceId): void;
  isDeviceOnline(userId: UserId, deviceId: DeviceId): Promise<boolean>;
}

/** A user, or a device of one, as the two kinds of sockets' owners are kept. */
const keyOf = (userId: UserId, deviceId?: DeviceId): string =>
  deviceId === undefined ? userId : `${userId}/${deviceId}`;
const redisKey = (key: string): string => `sotto:presence:${key}`;

/** Presence of a single process: the users and devices it holds sockets of. */
export function createLocalPresence(): PresenceStore {
  const online = new Set<string>();
  return {
    connected: (userId) => void online.add(keyOf(userId)),
    disconnected: (userId) => void online.delete(keyOf(userId)),
    isOnline: async (userId) => online.has(keyOf(userId)),
    deviceConnected: (...device) => void online.add(keyOf(...device)),
    deviceDisconnected: (...device) => void online.delete(keyOf(...device)),
    isDeviceOnline: async (...device) => online.has(keyOf(...device)),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** While Redis is away presence is late; the next refresh makes it good. */
const ignore = (): void => {};

/** Each process writes, under a key, until when it vouches for holding a socket of that user or device. */
export function createRedisPresence(redis: Redis): PresenceStore {
  const processId = randomUUIDv7();
  const local = new Set<string>();

  const vouch = (keys: Iterable<string>): Promise<unknown> => {
    const pipeline = redis.pipeline();
    for (const key of keys) {
      pipeline.hset(redisKey(key), processId, String(Date.now() + expiryMs));
      pipeline.pexpire(redisKey(key), expiryMs);
    }
    return pipeline.exec();
  };
  const timer = setInterval(() => {
    if (local.size > 0) vouch(local).catch(ignore);
  }, refreshMs);
  const add = (key: string): void => {
    local.add(key);
    vouch([key]).catch(ignore);
  };
  const remove = (key: string): void => {
    local.delete(key);
    redis.hdel(redisKey(key), processId).catch(ignore);
  };
  const isVouchedFor = async (key: string): Promise<boolean> => {
    if (local.has(key)) return true;
    // While Redis is away only this process's own sockets are known.
    const vouched = await redis.hvals(redisKey(key)).catch((): string[] => []);
    return vouched.some((until) => Number(until) > Date.now());
  };

  return {
    connected: (userId) => add(keyOf(userId)),
    disconnected: (userId) => remove(keyOf(userId)),
    isOnline: (userId) => isVouchedFor(keyOf(userId)),
    deviceConnected: (...device) => add(keyOf(...device)),
    deviceDisconnected: (...device) => remove(keyOf(...device)),
    isDeviceOnline: (...device) => isVouchedFor(keyOf(...device)),
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      const pipeline = redis.pipeline();
      for (const key of local) pipeline.hdel(redisKey(key), processId);
      await pipeline.exec().catch(ignore);
    },
  };
}

import type { UserId } from "@sotto/schema";
import type { Redis } from "ioredis";
import { v7 as uuidv7 } from "uuid";

const refreshMs = 15_000;
/** A process that dies without a word is forgotten after this. */
const expiryMs = 40_000;

/** Who is connected, on whichever process. */
export interface PresenceStore extends AsyncDisposable {
  connected(userId: UserId): void;
  disconnected(userId: UserId): void;
  isOnline(userId: UserId): Promise<boolean>;
}

/** Presence of a single process: the users it holds sockets of. */
export function createLocalPresence(): PresenceStore {
  const online = new Set<UserId>();
  return {
    connected: (userId) => void online.add(userId),
    disconnected: (userId) => void online.delete(userId),
    isOnline: async (userId) => online.has(userId),
    [Symbol.asyncDispose]: async () => {},
  };
}

const keyOf = (userId: UserId): string => `sotto:presence:${userId}`;
/** While Redis is away presence is late; the next refresh makes it good. */
const ignore = (): void => {};

/** Each process writes, under a user's key, until when it vouches for holding a socket of that user. */
export function createRedisPresence(redis: Redis): PresenceStore {
  const processId = uuidv7();
  const local = new Set<UserId>();

  const vouch = (userIds: Iterable<UserId>): Promise<unknown> => {
    const pipeline = redis.pipeline();
    for (const userId of userIds) {
      pipeline.hset(keyOf(userId), processId, String(Date.now() + expiryMs));
      pipeline.pexpire(keyOf(userId), expiryMs);
    }
    return pipeline.exec();
  };
  const timer = setInterval(() => {
    if (local.size > 0) vouch(local).catch(ignore);
  }, refreshMs);

  return {
    connected: (userId) => {
      local.add(userId);
      vouch([userId]).catch(ignore);
    },
    disconnected: (userId) => {
      local.delete(userId);
      redis.hdel(keyOf(userId), processId).catch(ignore);
    },
    isOnline: async (userId) => {
      if (local.has(userId)) return true;
      // While Redis is away only this process's own sockets are known.
      const vouched = await redis.hvals(keyOf(userId)).catch((): string[] => []);
      return vouched.some((until) => Number(until) > Date.now());
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      const pipeline = redis.pipeline();
      for (const userId of local) pipeline.hdel(keyOf(userId), processId);
      await pipeline.exec().catch(ignore);
    },
  };
}

import { randomUUIDv7 } from "node:crypto";
import { Redis } from "ioredis";
import type { Log } from "../log.ts";
import type { Bus, Wake } from "./bus.ts";
import { createLocalBus } from "./local-bus.ts";

const channel = "sotto:wakes";
const maxRetryDelayMs = 2_000;
/** A Redis that took the connection and says nothing must not hold calls up. */
const commandTimeoutMs = 500;

/** Wakes go to this process's own listeners at once, and through Redis to those of the others. */
export function createRedisBus(options: { redis: Redis; log: Log }): Bus {
  const { redis, log } = options;
  const origin = randomUUIDv7();
  const local = createLocalBus();
  const gapListeners: (() => void)[] = [];

  const subscriber = redis.duplicate();
  subscriber.on("error", (error) => log.warn({ err: error }, "redis subscriber"));
  subscriber.on("ready", () => {
    subscriber.subscribe(channel).then(
      () => gapListeners.forEach((listener) => listener()),
      (error: unknown) => log.warn({ err: error }, "redis subscribe failed"),
    );
  });
  subscriber.on("message", (_channel: string, text: string) => {
    const message = JSON.parse(text) as { origin: string; wake: Wake };
    if (message.origin !== origin) local.publish(message.wake);
  });

  return {
    publish: (wake) => {
      local.publish(wake);
      // Dropped while Redis is away: the reconciler finds what the others missed.
      redis.publish(channel, JSON.stringify({ origin, wake })).catch(() => {});
    },
    onWake: local.onWake,
    onGap: (listener) => void gapListeners.push(listener),
    [Symbol.asyncDispose]: async () => {
      subscriber.disconnect();
    },
  };
}

/** A connection that fails fast while Redis is away and never gives up coming back. */
export function connectRedis(url: string, log: Log): Redis {
  const redis = new Redis(url, {
    maxRetriesPerRequest: 1,
    commandTimeout: commandTimeoutMs,
    enableOfflineQueue: false,
    autoResubscribe: false,
    retryStrategy: (attempt) => Math.min(attempt * 100, maxRetryDelayMs),
  });
  redis.on("error", (error) => log.warn({ err: error }, "redis"));
  return redis;
}

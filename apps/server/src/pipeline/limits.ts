import { createHmac } from "node:crypto";
import type { Redis } from "ioredis";
import {
  RateLimiterMemory,
  RateLimiterRedis,
  RateLimiterRes,
  type RateLimiterAbstract,
} from "rate-limiter-flexible";
import type { Config } from "../config.ts";
import { AppError } from "../errors.ts";

/** Acks and fills are many and cheap: they get this many times the general limit. */
const syncFactor = 20;
const otpAsksPerPhone = { points: 10, durationSecs: 600 };
const otpCallsPerAddress = { points: 60, durationSecs: 600 };

export type LimitName = "general" | "sync" | "message" | "group_message" | "otp_phone" | "otp_address";

export interface Limits {
  /** Counts one call; gives the seconds to wait when it is one too many, else 0. */
  consume(name: LimitName, key: string): Promise<number>;
}

/** Counts in Redis where there is one, and in memory while it is away. */
export function createLimits(config: Config, redis: Redis | undefined): Limits {
  const make = (name: LimitName, points: number, durationSecs: number): RateLimiterAbstract => {
    const options = { keyPrefix: `sotto:limit:${name}`, points, duration: durationSecs };
    const memory = new RateLimiterMemory(options);
    if (!redis) return memory;
    return new RateLimiterRedis({ ...options, storeClient: redis, insuranceLimiter: memory });
  };
  const limiters: Record<LimitName, RateLimiterAbstract> = {
    general: make("general", config.RATE_LIMIT_PER_MINUTE, 60),
    sync: make("sync", config.RATE_LIMIT_PER_MINUTE * syncFactor, 60),
    message: make("message", config.CHAT_USER_MSGS_PER_MINUTE, 60),
    group_message: make("group_message", config.CHAT_GROUP_MSGS_PER_MINUTE, 60),
    otp_phone: make("otp_phone", otpAsksPerPhone.points, otpAsksPerPhone.durationSecs),
    otp_address: make("otp_address", otpCallsPerAddress.points, otpCallsPerAddress.durationSecs),
  };
  // Numbers and addresses are not to be read in Redis.
  const hashKey = (key: string): string =>
    createHmac("sha256", config.JWT_SECRET).update(`limit/${key}`).digest("base64url");
  return {
    consume: async (name, key) => {
      try {
        await limiters[name].consume(hashKey(key));
        return 0;
      } catch (refusal) {
        if (refusal instanceof RateLimiterRes) return Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
        throw refusal;
      }
    },
  };
}

export async function requireWithinLimit(limits: Limits, name: LimitName, key: string): Promise<void> {
  const retryAfter = await limits.consume(name, key);
  if (retryAfter > 0) throw new AppError("RATE_LIMITED", { retryAfter });
}

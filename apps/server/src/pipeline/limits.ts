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
/** Contact look-ups of an account and of an address, in those of one device. */
const contactAccountFactor = 2;
const contactAddressFactor = 20;
/** Exports and imports read and write much: they get one call for so many general ones. */
const archiveDivisor = 12;
const minuteSecs = 60;
const hourSecs = 3_600;

export type LimitName =
  | "general"
  | "sync"
  | "signal"
  | "archive"
  | "message"
  | "group_message"
  | "keys"
  | "contact_device"
  | "contact_account"
  | "contact_address"
  | "otp_phone"
  | "otp_address";

function quotasOf(config: Config): Record<LimitName, { points: number; durationSecs: number }> {
  const contacts = config.CONTACT_LOOKUPS_PER_HOUR;
  return {
    general: { points: config.RATE_LIMIT_PER_MINUTE, durationSecs: minuteSecs },
    sync: { points: config.RATE_LIMIT_PER_MINUTE * syncFactor, durationSecs: minuteSecs },
    signal: { points: config.RATE_LIMIT_PER_MINUTE, durationSecs: minuteSecs },
    archive: {
      points: Math.max(1, Math.floor(config.RATE_LIMIT_PER_MINUTE / archiveDivisor)),
      durationSecs: minuteSecs,
    },
    message: { points: config.CHAT_USER_MSGS_PER_MINUTE, durationSecs: minuteSecs },
    group_message: { points: config.CHAT_GROUP_MSGS_PER_MINUTE, durationSecs: minuteSecs },
    keys: { points: config.KEY_LOOKUPS_PER_HOUR, durationSecs: hourSecs },
    contact_device: { points: contacts, durationSecs: hourSecs },
    contact_account: { points: contacts * contactAccountFactor, durationSecs: hourSecs },
    contact_address: { points: contacts * contactAddressFactor, durationSecs: hourSecs },
    otp_phone: { points: 10, durationSecs: 600 },
    otp_address: { points: 60, durationSecs: 600 },
  };
}

export interface Limits {
  /** Counts one call, or so many; gives the seconds to wait when that is too many, else 0. */
  consume(name: LimitName, key: string, points?: number): Promise<number>;
}

/** Counts in Redis where there is one, and in memory while it is away. */
export function createLimits(config: Config, redis: Redis | undefined): Limits {
  const quotas = quotasOf(config);
  const limiters = new Map<LimitName, RateLimiterAbstract>();
  const limiterOf = (name: LimitName): RateLimiterAbstract => {
    const limiter = limiters.get(name) ?? createLimiter(name, quotas[name], redis);
    limiters.set(name, limiter);
    return limiter;
  };
  // Numbers and addresses are not to be read in Redis.
  const hashKey = (key: string): string =>
    redis ? createHmac("sha256", config.JWT_SECRET).update(`limit/${key}`).digest("base64url") : key;
  return {
    consume: async (name, key, points = 1) => {
      try {
        await limiterOf(name).consume(hashKey(key), points);
        return 0;
      } catch (refusal) {
        if (refusal instanceof RateLimiterRes) return Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
        throw refusal;
      }
    },
  };
}

function createLimiter(
  name: LimitName,
  { points, durationSecs }: { points: number; durationSecs: number },
  redis: Redis | undefined,
): RateLimiterAbstract {
  const options = { keyPrefix: `sotto:limit:${name}`, points, duration: durationSecs };
  const memory = new RateLimiterMemory(options);
  if (!redis) return memory;
  return new RateLimiterRedis({ ...options, storeClient: redis, insuranceLimiter: memory });
}

/** Throws the error of the limit. Call it outside a transaction: the counters may be in Redis. */
export async function requireWithinLimit(limits: Limits, name: LimitName, key: string): Promise<void> {
  const retryAfter = await limits.consume(name, key);
  if (retryAfter > 0) throw new AppError(refusalOf(name), { retryAfter });
}

function refusalOf(name: LimitName) {
  switch (name) {
    case "otp_phone":
    case "otp_address":
      return "OTP_RATE_LIMITED";
    case "group_message":
      return "GROUP_RATE_LIMITED";
    default:
      return "RATE_LIMITED";
  }
}

import { inject } from "vitest";

/** The Redis of this test run. Throws, and so fails the test, where none can be had. */
export function getRedisUrl(): string {
  const redis = inject("redis");
  if ("url" in redis) return redis.url;
  throw new Error(`This test needs Redis. ${redis.missing}`);
}

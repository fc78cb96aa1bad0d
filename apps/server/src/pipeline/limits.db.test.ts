import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { getRedisUrl } from "../../test/redis-url.ts";
import { connectRedis } from "../bus/redis-bus.ts";
import { loadConfig } from "../config.ts";
import { createLog } from "../log.ts";
import { createLimits, requireWithinLimit, type Limits } from "./limits.ts";

const config = loadConfig({ RATE_LIMIT_PER_MINUTE: "3", CHAT_USER_MSGS_PER_MINUTE: "2" });
const log = createLog("silent");

async function countAccepted(limits: Limits, key: string, calls: number): Promise<number> {
  let accepted = 0;
  for (let i = 0; i < calls; i++) if ((await limits.consume("general", key)) === 0) accepted++;
  return accepted;
}

/** Stands between the limits and Redis, and can be cut or made to swallow everything. */
async function openProxy(target: URL) {
  const sockets = new Set<Socket>();
  let isDeaf = false;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port || 6379), target.hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        if (!isDeaf) other.write(chunk);
      });
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  const listen = async (port: number): Promise<number> => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    return typeof address === "object" && address ? address.port : 0;
  };
  const cut = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  const port = await listen(0);
  const url = new URL(target);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    cut,
    mend: () => listen(port),
    swallow: (): void => {
      isDeaf = true;
    },
    [Symbol.dispose]: cut,
  };
}

async function connectReady(url: string) {
  const redis = connectRedis(url, log);
  if (redis.status !== "ready") await once(redis, "ready");
  return Object.assign(redis, { [Symbol.dispose]: () => redis.disconnect() });
}

describe("in memory", () => {
  test("counts each key and each name on its own", async () => {
    const limits = createLimits(config, undefined);
    expect(await countAccepted(limits, "ada", 5)).toBe(3);
    expect(await countAccepted(limits, "bob", 5)).toBe(3);
    expect(await limits.consume("message", "ada")).toBe(0);
  });

  test("gives the seconds to wait, and refuses with them", async () => {
    const limits = createLimits(config, undefined);
    await countAccepted(limits, "ada", 3);
    const seconds = await limits.consume("general", "ada");
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(60);
    await expect(requireWithinLimit(limits, "general", "ada")).rejects.toMatchObject({
      code: "RATE_LIMITED",
      details: { retryAfter: expect.any(Number) as unknown },
    });
    await requireWithinLimit(limits, "general", "bob");
  });
});

test.each([
  ["general", "RATE_LIMITED"],
  ["message", "RATE_LIMITED"],
  ["keys", "RATE_LIMITED"],
  ["contact_account", "RATE_LIMITED"],
  ["group_message", "GROUP_RATE_LIMITED"],
  ["otp_address", "OTP_RATE_LIMITED"],
] as const)("%s refuses with %s", async (name, code) => {
  const limits: Limits = { consume: async () => 7 };
  await expect(requireWithinLimit(limits, name, "ada")).rejects.toMatchObject({
    code,
    details: { retryAfter: 7 },
  });
});

describe("with Redis", () => {
  test("two processes count together", async () => {
    using redis = await connectReady(getRedisUrl());
    const [one, two] = [createLimits(config, redis), createLimits(config, redis)];
    const key = randomUUID();
    expect((await countAccepted(one, key, 2)) + (await countAccepted(two, key, 5))).toBe(3);
    expect(await one.consume("general", key)).toBeGreaterThan(0);
  });

  test("keys are not readable in Redis", async () => {
    using redis = await connectReady(getRedisUrl());
    const key = `+49${randomUUID()}`;
    await createLimits(config, redis).consume("otp_phone", key);
    expect(await redis.keys(`*${key}*`)).toEqual([]);
  });

  test("while Redis is away each process counts by itself, and together again after", async () => {
    using proxy = await openProxy(new URL(getRedisUrl()));
    using redis = await connectReady(proxy.url);
    const limits = createLimits(config, redis);
    const key = randomUUID();
    expect(await countAccepted(limits, key, 1)).toBe(1);
    const closed = once(redis, "close");
    proxy.cut();
    await closed;
    expect(await countAccepted(limits, key, 6)).toBe(3);
    const ready = once(redis, "ready");
    await proxy.mend();
    await ready;
    expect(await countAccepted(limits, key, 6)).toBe(2);
  });

  test("a Redis that does not answer holds no call up for long", async () => {
    using proxy = await openProxy(new URL(getRedisUrl()));
    using redis = await connectReady(proxy.url);
    const limits = createLimits(config, redis);
    proxy.swallow();
    const start = performance.now();
    const key = randomUUID();
    const waits = await Promise.all(Array.from({ length: 5 }, () => limits.consume("general", key)));
    expect(waits.filter((seconds) => seconds === 0)).toHaveLength(3);
    expect(performance.now() - start).toBeLessThan(3_000);
  });
});

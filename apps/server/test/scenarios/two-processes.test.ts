import path from "node:path";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { createTestDatabase } from "../database.ts";
import { startRedis } from "../redis.ts";
import { rest, sendTo, signInWithDevice } from "../rest-client.ts";
import { requireRedisUrl, startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";

test("a message sent to one process reaches a socket of another, and presence is shared", async () => {
  await using database = await createTestDatabase();
  const env = { REDIS_URL: requireRedisUrl() };
  await using first = await startTestServer({ database, env });
  await using second = await startTestServer({ database, env });
  const alice = await signInWithDevice(first.url, "a");
  const bob = await signInWithDevice(first.url, "b");
  await using socket = await WsClient.connect(second.url, { token: bob.token, resume: true });
  await socket.next("caught_up");

  const startedAt = performance.now();
  await sendTo(first.url, { token: alice.token, deviceId: "a" }, { to: bob.id, ciphertext: "over the bus" });
  const frame = await socket.next("message");
  expect(frame["message"]).toMatchObject({ ciphertext: "over the bus" });
  expect(performance.now() - startedAt, "through the bus, not by the reconciler").toBeLessThan(1_500);

  const presence = await rest(first.url, `GET /presence/${bob.id}`, { token: alice.token });
  expect(presence.body).toMatchObject({ user_id: bob.id, online: true });
});

test("messages still arrive, in order, while Redis is away", async () => {
  await using database = await createTestDatabase();
  const folder = await mkdtemp(path.join(tmpdir(), "sotto-redis-"));
  const redis = await startRedis({ pidFile: path.join(folder, "redis.pid") });
  const env = { REDIS_URL: redis.url };
  await using first = await startTestServer({ database, env });
  await using second = await startTestServer({ database, env });
  const alice = await signInWithDevice(first.url, "a");
  const bob = await signInWithDevice(first.url, "b");
  await using socket = await WsClient.connect(second.url, { token: bob.token, resume: true });
  await socket.next("caught_up");

  await redis[Symbol.asyncDispose]();
  for (let i = 0; i < 5; i++) {
    await sendTo(first.url, { token: alice.token, deviceId: "a" }, { to: bob.id, ciphertext: `m${i}` });
  }
  await socket.until("five messages", () => socket.ofType("message").length === 5);
  expect(socket.ofType("message").map((frame) => frame["seq"])).toEqual([1, 2, 3, 4, 5]);
});

test("without Redis, another process's messages are found by the reconciler", async () => {
  await using database = await createTestDatabase();
  await using first = await startTestServer({ database });
  await using second = await startTestServer({ database });
  const alice = await signInWithDevice(first.url, "a");
  const bob = await signInWithDevice(first.url, "b");
  await using socket = await WsClient.connect(second.url, { token: bob.token });
  await sendTo(first.url, { token: alice.token, deviceId: "a" }, { to: bob.id, ciphertext: "found" });
  expect((await socket.next("message"))["message"]).toMatchObject({ ciphertext: "found" });
});

import type { DeviceId, UserId } from "@sotto/schema";
import { jwtVerify } from "jose";
import { expect, test } from "vitest";
import { ack, newPair, newPerson, sendAll } from "../contract/people.ts";
import { createTestDatabase } from "../database.ts";
import { fcmEnv, listenAsFcm, pushesOf, setPushToken } from "../push-fixtures.ts";
import { requireRedisUrl, startTestServer } from "../test-server.ts";
import { WsClient } from "../ws-client.ts";

test("a device that is away is told that there is a message, and nothing of it", async () => {
  await using fcm = await listenAsFcm();
  const { env, publicKey } = fcmEnv(fcm);
  await using server = await startTestServer({ env });
  const [alice, bob] = await newPair(server.url);
  await setPushToken(server.url, alice, "token-of-alice");
  await setPushToken(server.url, bob, "token-of-bob");
  const [first] = await sendAll(server.url, alice, bob, ["the secret ciphertext"]);
  await fcm.until(() => pushesOf(fcm).length > 0);
  const [second] = await sendAll(server.url, alice, bob, ["another"]);
  await fcm.until(() => pushesOf(fcm).length > 1);

  expect(pushesOf(fcm)).toEqual(
    [first, second].map((message) => ({
      token: "token-of-bob",
      notification: { title: "New message", body: "You have a new message" },
      data: { conversation_id: message?.["conversation_id"], message_id: message?.["id"] },
      android: { collapse_key: message?.["conversation_id"], priority: "HIGH" },
      apns: { headers: { "apns-collapse-id": message?.["conversation_id"] } },
    })),
  );
  for (const { body } of fcm.received) expect(body.toString()).not.toMatch(/secret ciphertext|\+49/);

  const [asked, ...asksAgain] = fcm.received.filter(({ path }) => path === "/token");
  expect(asksAgain, "the access token is kept").toEqual([]);
  const form = new URLSearchParams(asked?.body.toString());
  const { payload } = await jwtVerify(form.get("assertion") ?? "", publicKey, {
    audience: `${fcm.url}/token`,
  });
  expect(payload).toMatchObject({
    iss: "sotto@sotto.example",
    scope: expect.stringContaining("messaging") as unknown,
  });
  const sent = fcm.received.filter(({ path }) => path !== "/token");
  for (const { path, headers } of sent) {
    expect(path).toBe("/v1/projects/sotto/messages:send");
    expect(headers.authorization).toBe("Bearer access-token");
  }
});

test("a device with a socket is not pushed to, on whichever process it is; a socket without a device counts for none", async () => {
  await using fcm = await listenAsFcm();
  const env = { ...fcmEnv(fcm).env, REDIS_URL: requireRedisUrl() };
  await using database = await createTestDatabase();
  await using first = await startTestServer({ database, env });
  await using second = await startTestServer({ database, env });
  const [alice, bob] = await newPair(first.url);
  const bobsTablet = await newPerson(first.url, "tablet", bob.phone);
  await setPushToken(first.url, bob, "phone-of-bob");
  await setPushToken(first.url, bobsTablet, "tablet-of-bob");
  await using socket = await WsClient.connect(second.url, { token: bob.token });
  const isPhoneOnline = () => first.app.presence.isDeviceOnline(bob.id as UserId, bob.deviceId as DeviceId);
  await expect.poll(isPhoneOnline).toBe(true);
  await sendAll(first.url, alice, bob, ["hello"]);
  await fcm.until(() => pushesOf(fcm).length > 0);
  await socket.next("message");
  // Once its socket is closed, the phone is pushed to.
  socket.socket.close();
  await socket.closed;
  await expect.poll(isPhoneOnline).toBe(false);
  await sendAll(first.url, alice, bob, ["still there?"]);
  await fcm.until(() => pushesOf(fcm).some(({ token }) => token === "phone-of-bob"));
  expect(pushesOf(fcm)[0]?.["token"]).toBe("tablet-of-bob");
  expect(pushesOf(fcm).filter(({ token }) => token === "phone-of-bob")).toHaveLength(1);
});

test("a burst is few pushes, the last one for the newest message; what is delivered meanwhile is none", async () => {
  await using fcm = await listenAsFcm();
  await using server = await startTestServer({ env: fcmEnv(fcm).env });
  const [alice, bob] = await newPair(server.url);
  await setPushToken(server.url, bob, "token-of-bob");
  const [acked] = await sendAll(server.url, alice, bob, ["delivered by a poll"]);
  await ack(server.url, bob.token, `${String(acked?.["id"])}/ack_delivered`);
  const burst = await sendAll(
    server.url,
    alice,
    bob,
    Array.from({ length: 12 }, (_, i) => `m${i}`),
  );
  const newest = burst.at(-1)?.["id"];
  const idsOf = () => pushesOf(fcm).map((push) => (push["data"] as { message_id: unknown }).message_id);
  await fcm.until(() => idsOf().includes(newest));
  expect(idsOf().length).toBeLessThan(burst.length / 2);
  expect(idsOf().at(-1)).toBe(newest);
  expect(idsOf()).not.toContain(acked?.["id"]);
});

test("a user's other devices are told of a new one", async () => {
  await using fcm = await listenAsFcm();
  await using server = await startTestServer({ env: fcmEnv(fcm).env });
  const bob = await newPerson(server.url);
  await setPushToken(server.url, bob, "phone-of-bob");
  await newPerson(server.url, "tablet", bob.phone);
  await fcm.until(() => pushesOf(fcm).length > 0);
  expect(pushesOf(fcm)).toMatchObject([
    {
      token: "phone-of-bob",
      notification: { title: "New device", body: "A new device was added to your account" },
      data: {},
    },
  ]);
});

import { randomUUID } from "node:crypto";
import { generateDeviceKeys, makePublicKey } from "@sotto/sdk/sealed";
import { memoryStore } from "@sotto/sdk";
import { expect, test } from "vitest";
import { rest, signIn } from "../rest-client.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const dayMs = 86_400_000;

test("another identity key under a known device's name is refused, and told", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await using bobPhone = await TestUser.open({ url, phone: bob.phone });
  await alice.to(bob).send("1");

  const { token } = await signIn(url, bob.phone);
  const { userId, deviceId } = bob.me;
  const forged = await generateDeviceKeys({ userId, deviceId, now: Date.now(), extractable: true });
  const body = { device_id: deviceId, public_key: await makePublicKey(forged, Date.now()) };
  expect(await rest(url, "POST /keys/publish", { token, body })).toMatchObject({ status: 200 });

  // The list that Alice has is still fresh: the server refuses the send as sealed to an old key.
  const { unreachable } = await alice.to(bob).send("2");
  expect(unreachable).toEqual([{ userId, deviceId, reason: "identity_changed" }]);
  await bobPhone.untilReceived(2);
  await bob.untilReceived(2);
  expect(bob.received).toMatchObject([{ text: "1" }, { kind: "unreadable", reason: "not_addressed" }]);

  // Bob's device finds out at its next look, and publishes its own key again.
  const healed = bob.event("identity", ({ type }) => type === "keys_republished");
  await bob.client.devices.remove(bobPhone.me.deviceId);
  expect(await healed).toEqual({ type: "keys_republished", reason: "replaced" });
  expect(await alice.to(bob).send("3")).toMatchObject({ unreachable: [] });
  await bob.untilReceived(3);

  await bob.client.stop();
  expect(await rest(url, "POST /keys/publish", { token, body })).toMatchObject({ status: 200 });
  await expect(alice.to(bob).send("4")).rejects.toMatchObject({
    code: "NO_USABLE_KEYS",
    details: { unreachable: [{ userId, deviceId, reason: "identity_changed" }] },
  });
});

test("a peer without devices cannot be written to", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  const { id } = await signIn(server.url);
  await expect(alice.client.conversations.with(id).send("x")).rejects.toMatchObject({
    code: "NO_USABLE_KEYS",
  });
  const unknown = alice.client.conversations.with(randomUUID()).send("x");
  await expect(unknown).rejects.toMatchObject({ code: "RECIPIENT_NOT_FOUND" });
});

test("a week later the keys are replaced; what was sealed to the old ones stays readable", async () => {
  let now = Date.now();
  await using server = await startTestServer({ now: () => new Date(now) });
  const clock = { url: server.url, now: () => now };
  const store = memoryStore();
  await using alice = await TestUser.open(clock);
  const first = await TestUser.open({ ...clock, store });
  const bob = first.me;
  const published = () => rest(server.url, `GET /keys/${bob.userId}`, { token: observer.token });
  const observer = await signIn(server.url);
  const before = await published();
  await first.client.close();
  const toBob = alice.client.conversations.with(bob.userId);
  await toBob.send("to the old key");

  now += 8 * dayMs;
  await using again = await TestUser.open({ ...clock, store });
  await again.untilReceived(1);
  await toBob.send("to the new key");
  await again.untilReceived(2);
  expect(again.texts).toEqual(["to the old key", "to the new key"]);
  expect(again.me).toEqual(bob);
  expect((await published()).body).not.toEqual(before.body);
  expect((await again.to(alice).messages()).messages).toMatchObject([
    { content: { text: "to the old key" } },
    { content: { text: "to the new key" } },
  ]);
});

import { createHash, randomUUID } from "node:crypto";
import { encodeBase64url, encodeCbor, uuidToBytes } from "@sotto/schema";
import { memoryStore } from "@sotto/sdk";
import { exportDeviceKeys, generateDeviceKeys, importDeviceKeys, makePublicKey } from "@sotto/sdk/sealed";
import { expect, test } from "vitest";
import { rest, signIn } from "../rest-client.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const x25519 = 0x0020;

/** Publishes a device of a version that did not know X-Wing yet. */
async function addOldDevice(url: string, { client, phone }: TestUser) {
  const { id: userId, token } = await signIn(url, phone);
  const deviceId = randomUUID();
  const keys = await generateDeviceKeys({ userId, deviceId, now: Date.now(), extractable: true });
  const hpkeKeys = keys.hpkeKeys.filter(({ kemId }) => kemId === x25519);
  const public_key = await makePublicKey({ ...keys, hpkeKeys }, Date.now());
  const body = { device_id: deviceId, public_key };
  expect(await rest(url, "POST /keys/publish", { token, body })).toMatchObject({ status: 200 });
  const dikHash = createHash("sha256")
    .update(keys.dik?.publicKeyBytes ?? "")
    .digest();
  const items = ["link/v1", uuidToBytes(userId), deviceId, new Uint8Array(dikHash), new Uint8Array(32)];
  await client.devices.approve(`sotto-link:1.${encodeBase64url(encodeCbor(items))}`);
  return { userId, deviceId };
}

test("devices with X-Wing are sealed to with it, and both sides are told", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using alicePhone = await TestUser.open({ url: server.url, phone: alice.phone });
  await using bob = await TestUser.open(server);
  const { kem } = await alice.to(bob).send("hello");
  expect(kem).toBe("x-wing");
  await Promise.all([bob.untilReceived(1), alicePhone.untilReceived(1)]);
  for (const reader of [bob, alicePhone])
    expect(reader.received).toMatchObject([{ text: "hello", kem: "x-wing" }]);
  const { messages } = await alice.to(bob).messages();
  expect(messages).toMatchObject([{ content: { text: "hello" }, isOwn: true, kem: "x-wing" }]);
});

test("one device without X-Wing: prefer seals with X25519 and says so, require leaves it out", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using strict = await TestUser.open({ url, pq: "require" });
  await using bob = await TestUser.open({ url });
  const old = await addOldDevice(url, bob);

  expect(await alice.to(bob).send("1")).toMatchObject({ kem: "x25519", unreachable: [] });
  expect(await strict.to(bob).send("2")).toMatchObject({
    kem: "x-wing",
    unreachable: [{ ...old, reason: "no_post_quantum_key" }],
  });
  await bob.untilReceived(2);
  expect(bob.received).toMatchObject([
    { text: "1", kem: "x25519" },
    { text: "2", kem: "x-wing" },
  ]);

  const toBob = strict.to(bob);
  await bob.client.signOut();
  const clientMessageId = randomUUID();
  await expect(toBob.send("3", { clientMessageId })).rejects.toMatchObject({
    code: "NO_POST_QUANTUM_KEYS",
    details: { unreachable: [{ ...old, reason: "no_post_quantum_key" }] },
  });
  await using newPhone = await TestUser.open({ url, phone: bob.phone });
  await newPhone.client.identity.reset();
  expect(await toBob.send("3", { clientMessageId })).toMatchObject({ kem: "x-wing" });
  await newPhone.untilReceived(1);
  expect(newPhone.received).toMatchObject([{ text: "3", kem: "x-wing" }]);
});

test("off seals with X25519", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open({ url: server.url, pq: "off" });
  await using bob = await TestUser.open(server);
  expect(await alice.to(bob).send("hello")).toMatchObject({ kem: "x25519" });
  await bob.untilReceived(1);
  expect(bob.received).toMatchObject([{ text: "hello", kem: "x25519" }]);
});

test("a device whose store is from before X-Wing publishes a key at its next start", async () => {
  await using server = await startTestServer();
  const { url } = server;
  const store = memoryStore();
  const before = await TestUser.open({ url, store, isStarted: false });
  await before.client.close();
  const stored = await store.get("device-keys");
  if (!(stored instanceof Uint8Array)) throw new Error("no keys");
  const keys = await importDeviceKeys(Uint8Array.from(stored), { extractable: true });
  const hpkeKeys = keys.hpkeKeys.filter(({ kemId }) => kemId === x25519);
  await store.commit([{ key: "device-keys", value: await exportDeviceKeys({ ...keys, hpkeKeys }) }]);

  await using bob = await TestUser.open({ url, store });
  await bob.untilCaughtUp();
  await using alice = await TestUser.open({ url });
  expect(await alice.to(bob).send("hello")).toMatchObject({ kem: "x-wing" });
  await bob.untilReceived(1);
  expect(bob.received).toMatchObject([{ text: "hello", kem: "x-wing" }]);
});

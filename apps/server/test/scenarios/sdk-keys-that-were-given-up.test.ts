/** An identity key that its user has given up stays given up: whoever stole it can still sign lists with it. */
import { type Store, memoryStore } from "@sotto/sdk";
import { expect, test } from "vitest";
import { ListTable, makeUp, stealKey } from "../list-table.ts";
import { backUp, streamOf } from "../sdk-backups.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

/** Gives what restores a backup of now on a device. */
async function keepBackup(user: TestUser) {
  const { recoveryKey, file } = await backUp(user.client);
  return ({ client }: TestUser) => client.backup.restore(streamOf(file), recoveryKey);
}

/** A list by the key that was stolen follows whatever is there. */
async function appendStolen(lists: ListTable, store: Store): Promise<void> {
  const newest = (await lists.read()).at(-1);
  if (!newest) throw new Error("no list");
  const thief = { deviceId: crypto.randomUUID(), dik: new Uint8Array(32).fill(7), addedSec: 1 };
  await lists.append(makeUp(newest, { ...(await stealKey(store)), devices: [thief] }));
}

const changed = { code: "IDENTITY_CHANGED" };

test("an old backup does not bring back a key after a reset, on whichever device", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  await using stolen = await TestUser.open({ url });
  await using phone = await TestUser.open({ url, phone: stolen.phone });
  const restoreOld = await keepBackup(phone);
  await stolen.client.stop();
  await phone.client.identity.reset();
  await using tablet = await TestUser.open({ url, phone: stolen.phone, isApproved: false });
  await expect(restoreOld(phone)).rejects.toMatchObject(changed);
  await expect(restoreOld(tablet)).rejects.toMatchObject(changed);
  await phone.client.devices.approve(await tablet.client.devices.link());
  expect(await tablet.client.identity.check()).toBe("linked");
  await expect(restoreOld(tablet)).rejects.toMatchObject(changed);
  const newest = (await new ListTable(database.url, phone).read()).at(-1);
  expect(newest?.parts.devices.map(({ deviceId }) => deviceId)).toEqual([
    phone.me.deviceId,
    tablet.me.deviceId,
  ]);
});

test("who comes back after signing out everywhere may restore, until another device is let in", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using bob = await TestUser.open({ url });
  const restoreOld = await keepBackup(bob);
  await bob.client.signOut();
  await bob.signIn();
  await using laptop = await TestUser.open({ url, phone: bob.phone });
  expect(await laptop.client.identity.state()).toBe("linked");
  await expect(restoreOld(bob)).rejects.toMatchObject(changed);
  await bob.client.devices.remove(laptop.me.deviceId);
  await restoreOld(bob);
  expect(await bob.client.identity.state()).toBe("linked");
});

test.each([
  ["tofu", "online"],
  ["tofu", "offline"],
  ["strict", "online"],
  ["strict", "offline"],
] as const)("%s: a contact who was %s hears of it when a stolen key comes back", async (policy, was) => {
  await using server = await startTestServer();
  const { url, database } = server;
  let aheadMs = 0;
  const now = () => Date.now() + aheadMs;
  const store = memoryStore();
  await using stolen = await TestUser.open({ url, store });
  await using alice = await TestUser.open({ url, now, identityChange: policy, isStarted: false });
  const { identity } = alice.client;
  await identity.setVerified(stolen.userId, true);
  const told: unknown[] = [];
  alice.client.on("identity", (event) => {
    if (event.type === "identity_changed") told.push(event);
  });
  const look = () => {
    aheadMs += 61_000;
    return alice
      .to(stolen)
      .send("to whom?")
      .catch(({ code }: { code: string }) => code);
  };
  const isBlocked = policy === "strict";
  const change = (version: number) => ({
    type: "identity_changed",
    userId: stolen.userId,
    isBlocked,
    version,
  });
  await using phone = await TestUser.open({ url, phone: stolen.phone, isApproved: false });
  await phone.client.identity.reset();
  if (was === "online") {
    await look();
    expect(told).toEqual([change(2)]);
  }

  await appendStolen(new ListTable(database.url, stolen), store);
  const outcome = await look();
  expect(told).toEqual(was === "online" ? [change(2), change(3)] : [change(3)]);
  expect(await identity.of(stolen.userId)).toMatchObject({ isVerified: false, isBlocked });
  if (isBlocked) {
    expect(outcome).toBe("IDENTITY_CHANGED");
    await identity.confirm(stolen.userId);
    expect(await identity.of(stolen.userId)).toMatchObject({ isVerified: false, isBlocked: false });
  }
  await look();
  expect(told).toHaveLength(was === "online" ? 2 : 1);
});

test("strict: who waits for a confirmation waits on, though the server takes the other key's list back", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  let aheadMs = 0;
  const now = () => Date.now() + aheadMs;
  const store = memoryStore();
  await using bob = await TestUser.open({ url, store });
  await using alice = await TestUser.open({ url, now, identityChange: "strict", isStarted: false });
  const { identity } = alice.client;
  const number = await identity.safetyNumber(bob.userId);
  await bob.client.stop();
  const lists = new ListTable(database.url, bob);
  const [first] = await lists.read();
  if (!first) throw new Error("no list");
  await lists.append(makeUp(first, {}));
  const look = () => {
    aheadMs += 61_000;
    return alice.to(bob).send("to whom?");
  };
  await expect(look()).rejects.toMatchObject(changed);
  await lists.dropAbove(1);
  for (let version = 2; version <= 3; version++) {
    await appendStolen(lists, store);
    await expect(look()).rejects.toMatchObject(changed);
    expect(await identity.of(bob.userId)).toMatchObject({ isBlocked: true });
  }
  // What is to be confirmed is the newest one.
  expect(await identity.safetyNumber(bob.userId)).toEqual(number);
  await identity.confirm(bob.userId);
  expect(await identity.of(bob.userId)).toMatchObject({ isBlocked: false });
});

test("strict: who was blocked by the key that a device made by itself is not any more once a backup is restored", async () => {
  await using server = await startTestServer();
  const { url } = server;
  let aheadMs = 0;
  const now = () => Date.now() + aheadMs;
  await using bob = await TestUser.open({ url });
  const restoreOld = await keepBackup(bob);
  await using alice = await TestUser.open({ url, now, identityChange: "strict", isStarted: false });
  const { identity } = alice.client;
  await identity.setVerified(bob.userId, true);
  const told: unknown[] = [];
  alice.client.on("identity", (event) => {
    if (event.type === "identity_changed") told.push(event);
  });
  await bob.client.signOut();
  await bob.signIn();
  aheadMs += 61_000;
  await expect(alice.to(bob).send("to whom?")).rejects.toMatchObject(changed);
  expect(await identity.of(bob.userId)).toMatchObject({ isBlocked: true, isVerified: false });
  await restoreOld(bob);
  await bob.start();
  aheadMs += 61_000;
  await alice.to(bob).send("to Bob");
  await bob.untilReceived(1);
  expect(await identity.of(bob.userId)).toMatchObject({ isBlocked: false, isVerified: true });
  expect(told).toMatchObject([{ isBlocked: true }]);
});

test("a user's other device does not follow a key that the user has given up meanwhile", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  const store = memoryStore();
  await using stolen = await TestUser.open({ url, store });
  await using tablet = await TestUser.open({ url, phone: stolen.phone });
  const restoreOld = await keepBackup(tablet);
  await tablet.client.stop();
  await stolen.client.stop();
  await using phone = await TestUser.open({ url, phone: stolen.phone, isApproved: false });
  await phone.client.identity.reset();
  await phone.client.stop();
  const lists = new ListTable(database.url, phone);
  const newest = (await lists.read()).at(-1);
  if (!newest) throw new Error("no list");
  const { deviceId } = tablet.me;
  const [, before] = await lists.read();
  const dik = before?.parts.devices.find((device) => device.deviceId === deviceId)?.dik;
  if (!dik) throw new Error("the tablet is in no list");
  await lists.append(
    makeUp(newest, { ...(await stealKey(store)), devices: [{ deviceId, dik, addedSec: 1 }] }),
  );
  const told = tablet.event("identity", ({ type }) => type === "identity_changed");
  expect(await tablet.client.identity.check()).toBe("pending");
  expect(await told).toMatchObject({ userId: tablet.userId, isBlocked: true, version: 4 });
  await using found = await TestUser.open({ url, phone: stolen.phone, isApproved: false });
  await expect(restoreOld(found)).rejects.toMatchObject(changed);
});

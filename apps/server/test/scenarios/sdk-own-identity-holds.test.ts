/** A user's own identity key and lists, whatever the server says and wherever a change of them breaks off. */
import { type Client, memoryStore } from "@sotto/sdk";
import { expect, test } from "vitest";
import { breakOff } from "../break-off.ts";
import { ListTable, makeUp } from "../list-table.ts";
import { Proxy } from "../proxy.ts";
import { RecordingProxy } from "../recording-proxy.ts";
import { randomPhone } from "../rest-client.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const numberOf = async (client: Client, peer: TestUser) =>
  (await client.identity.safetyNumber(peer.userId))?.digits;

test("a restored identity signs no list that somebody made up, and none that is older than the backup", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  await using alice = await TestUser.open({ url });
  const lost = await TestUser.open({ url });
  await alice.to(lost).send("one");
  const recoveryKey = await lost.client.backup.generateRecoveryKey();
  const stolen = await TestUser.open({ url, phone: lost.phone });
  await lost.client.devices.remove(stolen.me.deviceId);
  const file = await new Response(await lost.client.backup.export(recoveryKey)).blob();
  const lists = new ListTable(database.url, lost);
  const [, withStolen, newest] = await lists.read();
  if (!withStolen || !newest) throw new Error("lists are missing");
  await stolen[Symbol.asyncDispose]();
  await lost[Symbol.asyncDispose]();

  await using found = await TestUser.open({ url, phone: lost.phone, store: memoryStore() });
  const refusals: unknown[] = [];
  found.client.on("identity", (event) => event.type === "list_refused" && refusals.push(event.reason));
  const ghost = { deviceId: crypto.randomUUID(), dik: new Uint8Array(32).fill(7), addedSec: 1 };
  await lists.append(makeUp(newest, { uik: newest.parts.uik, devices: [ghost] }));
  await expect(found.client.backup.restore(file.stream(), recoveryKey)).rejects.toMatchObject({
    code: "BAD_ANSWER",
  });
  expect(refusals).toEqual(["signature_invalid"]);
  expect(await found.client.identity.check()).toBe("pending");

  await lists.dropAbove(withStolen.parts.version);
  await expect(found.client.backup.restore(file.stream(), recoveryKey)).rejects.toMatchObject({
    code: "BAD_ANSWER",
  });
  expect(refusals).toEqual(["signature_invalid", "rolled_back"]);

  await lists.append(newest.bytes);
  await found.client.backup.restore(file.stream(), recoveryKey);
  expect(await found.client.identity.state()).toBe("linked");
  const signed = (await lists.read()).at(-1)?.parts.devices.map(({ deviceId }) => deviceId);
  expect(signed).toContain(found.me.deviceId);
  expect(signed).not.toContain(ghost.deviceId);
  expect(signed).not.toContain(stolen.me.deviceId);
});

test("a device keeps its identity key though the server goes on with its chain under another one", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  const number = await numberOf(bob.client, alice);
  const lists = new ListTable(database.url, bob);
  const [first] = await lists.read();
  if (!first) throw new Error("no list");
  await lists.append(makeUp(first, {}));

  const told = bob.event("identity", ({ type }) => type === "identity_changed");
  expect(await bob.client.identity.check()).toBe("pending");
  expect(await told).toMatchObject({ userId: bob.userId, isBlocked: true });
  expect(await bob.client.identity.check()).toBe("pending");
  expect((await lists.read()).length).toBe(2);

  await lists.dropAbove(1);
  expect(await bob.client.identity.check()).toBe("linked");
  expect(await numberOf(bob.client, alice)).toBe(number);
});

test("whoever could not sign out to the end goes on with the same identity", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: server.url });
  await using bob = await TestUser.open({ url: proxy.url });
  const number = await numberOf(bob.client, alice);
  await breakOff(proxy, "/trpc/keys.remove", (signal) => bob.client.signOut({ signal }));

  expect(await bob.client.identity.check()).toBe("linked");
  expect(await numberOf(bob.client, alice)).toBe(number);
  await bob.start();
  await alice.to(bob).send("still here?");
  await bob.until("a message", () => bob.texts.includes("still here?"));
  await bob.client.signOut();
  expect(bob.client.me).toBeNull();
});

test("a reset that breaks off leaves the identity that is in force, whichever that is", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: server.url });
  const store = memoryStore();
  const bob = await TestUser.open({ url: proxy.url, store });
  const number = await numberOf(bob.client, alice);
  const held = await breakOff(proxy, "/trpc/deviceLists.publish", (signal) =>
    bob.client.identity.reset({ signal }),
  );
  expect(await bob.client.identity.check()).toBe("linked");
  expect(await numberOf(bob.client, alice)).toBe(number);
  await bob[Symbol.asyncDispose]();

  // What had been given up reaches the server after all.
  held.deliverLate();
  const lists = new ListTable(server.database.url, bob);
  await expect.poll(async () => (await lists.read()).length, { timeout: 10_000 }).toBe(2);
  await using again = await TestUser.open({ url: proxy.url, store });
  expect(await again.client.identity.check()).toBe("linked");
  expect(await numberOf(again.client, alice)).not.toBe(number);
  await again.to(alice).send("with the new key");
  await alice.untilReceived(1);
});

test("a second reset that breaks off leaves the first one's identity, whose answer was lost", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using bob = await TestUser.open({ url: proxy.url });
  await bob.client.stop();
  const lost = proxy.loseAnswerTo("/trpc/deviceLists.publish");
  const resetting = bob.client.identity.reset();
  await Promise.all([lost, expect(resetting).rejects.toMatchObject({ code: "NETWORK" })]);
  await breakOff(proxy, "/trpc/deviceLists.publish", (signal) => bob.client.identity.reset({ signal }));
  expect(await bob.client.identity.check()).toBe("linked");
});

test("a restore that breaks off does not hand over the key for an older list", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  const { url } = server;
  const lost = await TestUser.open({ url });
  const stolen = await TestUser.open({ url, phone: lost.phone });
  await lost.client.devices.remove(stolen.me.deviceId);
  const recoveryKey = await lost.client.backup.generateRecoveryKey();
  const file = await new Response(await lost.client.backup.export(recoveryKey)).blob();
  const lists = new ListTable(server.database.url, lost);
  const [, withStolen, newest] = await lists.read();
  if (!withStolen || !newest) throw new Error("lists are missing");
  await stolen[Symbol.asyncDispose]();
  await lost[Symbol.asyncDispose]();

  await using found = await TestUser.open({ url: proxy.url, phone: lost.phone, isStarted: false });
  const held = await breakOff(proxy, "/trpc/deviceLists.publish", (signal) =>
    found.client.backup.restore(file.stream(), recoveryKey, { signal }),
  );
  await lists.dropAbove(withStolen.parts.version);
  expect(await found.client.identity.check()).toBe("pending");
  await expect(found.client.backup.export(recoveryKey)).rejects.toMatchObject({ code: "CANNOT_SIGN" });

  // What had been given up reaches the server after all.
  await lists.append(newest.bytes);
  held.deliverLate();
  await expect.poll(() => found.client.identity.check(), { timeout: 10_000 }).toBe("linked");
});

test.each(["tofu", "strict"] as const)(
  "%s: what was compared is what counts as verified and confirmed, not what came since",
  async (identityChange) => {
    await using server = await startTestServer();
    const { url } = server;
    await using bob = await TestUser.open({ url });
    await using alice = await TestUser.open({ url, identityChange });
    await alice.to(bob).send("1");
    const { identity } = alice.client;
    await identity.safetyNumber(bob.userId);
    await using phone = await TestUser.open({ url, phone: bob.phone, isApproved: false });
    await phone.client.identity.reset();
    const told = alice.event("identity", ({ type }) => type === "identity_changed");
    await phone.to(alice).send("with the new key");
    await told;
    const changed = { code: "IDENTITY_CHANGED", details: { userId: bob.userId } };
    const isBlocked = identityChange === "strict";
    await expect(identity.setVerified(bob.userId, true)).rejects.toMatchObject(changed);
    if (isBlocked) await expect(identity.confirm(bob.userId)).rejects.toMatchObject(changed);
    expect(await identity.of(bob.userId)).toMatchObject({ isVerified: false, isBlocked });
    const number = await identity.safetyNumber(bob.userId);
    expect(await phone.client.identity.safetyNumber(alice.userId)).toEqual(number);
    await identity.confirm(bob.userId);
    await identity.setVerified(bob.userId, true);
    expect(await identity.of(bob.userId)).toMatchObject({ isVerified: true, isBlocked: false });
  },
);

test("strict: the key that was just compared by QR can be confirmed", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using bob = await TestUser.open({ url });
  await using alice = await TestUser.open({ url, identityChange: "strict" });
  const { identity } = alice.client;
  await identity.safetyNumber(bob.userId);
  await using phone = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  await phone.client.identity.reset();
  const told = alice.event("identity", ({ type }) => type === "identity_changed");
  await phone.to(alice).send("with the new key");
  await told;
  const qr = (await phone.client.identity.safetyNumber(alice.userId))?.qr ?? "";
  expect(await identity.verifyQr(bob.userId, qr)).toBe(true);
  await identity.confirm(bob.userId);
  expect(await identity.of(bob.userId)).toMatchObject({ isVerified: true, isBlocked: false });
});

test("what was compared in one account says nothing in the next", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using bob = await TestUser.open({ url });
  await using alice = await TestUser.open({ url, isStarted: false });
  const { client } = alice;
  await client.identity.safetyNumber(bob.userId);
  await client.signOut();
  await using phone = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  await phone.client.identity.reset();
  const other = randomPhone();
  const { otpSession, devCode = "" } = await client.requestOtp(other);
  await client.signIn({ phone: other, otp: devCode, otpSession });
  await client.identity.setVerified(bob.userId, true);
  expect(await client.identity.of(bob.userId)).toMatchObject({ isVerified: true });
});

test("a device that may not take another out of the list says so, and removes nothing", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using bob = await TestUser.open({ url });
  await using kiosk = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  await using waiting = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  await bob.client.devices.approve(await kiosk.client.devices.link(), { maySign: false });
  expect(await kiosk.client.identity.check()).toBe("linked");
  const { deviceId } = bob.me;
  await expect(kiosk.client.devices.remove(deviceId)).rejects.toMatchObject({ code: "CANNOT_SIGN" });
  await expect(waiting.client.devices.remove(deviceId)).rejects.toMatchObject({ code: "DEVICE_NOT_LINKED" });
  expect(await bob.client.devices.list()).toHaveLength(3);
  await kiosk.client.signOut();
  await waiting.client.signOut();
  expect(await bob.client.devices.list()).toMatchObject([{ deviceId, isListed: true }]);
});

test("a server gets back all lists that it lost, and never one that was made up", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  await using bob = await TestUser.open({ url });
  await using laptop = await TestUser.open({ url, phone: bob.phone });
  await laptop.client.stop();
  // The laptop is away while the list changes twice.
  const tablet = await TestUser.open({ url, phone: bob.phone });
  await tablet.client.signOut();
  await bob.client.stop();
  const lists = new ListTable(database.url, bob);
  const kept = (await lists.read()).map(({ bytes }) => bytes);
  const [, second, , last] = await lists.read();
  if (!second || !last) throw new Error("lists are missing");
  expect(await laptop.client.identity.check()).toBe("linked");

  await lists.dropAbove(last.parts.version - 1);
  await lists.append(makeUp({ ...last, parts: { ...last.parts, version: 3 } }, {}));
  expect(await laptop.client.identity.check()).toBe("linked");
  await lists.dropAbove(second.parts.version);
  expect(await laptop.client.identity.check()).toBe("linked");
  expect((await lists.read()).map(({ bytes }) => bytes)).toEqual(kept);
});

test("a device that was taken out of the list does not come back by an old list of nobody", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using bob = await TestUser.open({ url: proxy.url });
  await breakOff(proxy, "/trpc/keys.remove", (signal) => bob.client.signOut({ signal }));
  expect(await bob.client.identity.check()).toBe("linked");
  await using liar = await RecordingProxy.listen(server.url);
  await using laptop = await TestUser.open({ url: liar.url, phone: bob.phone });
  await laptop.client.stop();
  // The list has lost the laptop, and the server keeps it.
  const lost = proxy.loseRequestTo("/trpc/keys.remove");
  const removing = bob.client.devices.remove(laptop.me.deviceId);
  await Promise.all([lost, expect(removing).rejects.toMatchObject({ code: "NETWORK" })]);
  await bob.client.stop();
  expect(await laptop.client.identity.check()).toBe("pending");

  const lists = new ListTable(server.database.url, bob);
  expect((await lists.read()).map(({ parts }) => parts.devices.length)).toEqual([1, 0, 1, 2, 1]);
  const [, empty] = await lists.read();
  await lists.dropAbove(2);
  const list = Buffer.from(empty?.bytes ?? []).toString("base64url");
  // Whatever the laptop has asked for.
  liar.alter = (answer) => {
    if (!answer.path.startsWith("/trpc/deviceLists.get")) return answer;
    const told = JSON.parse(answer.text) as { result: { data: object } };
    Object.assign(told.result.data, { currentVersion: 2, lists: [{ version: 2, list }] });
    return { ...answer, text: JSON.stringify(told) };
  };
  expect(await laptop.client.identity.check()).toBe("pending");
  expect(await lists.read()).toHaveLength(2);
});

test("where a backup's key is refused since the server has gone back, a new identity can be made", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  const lost = await TestUser.open({ url });
  const tablet = await TestUser.open({ url, phone: lost.phone });
  const recoveryKey = await lost.client.backup.generateRecoveryKey();
  const file = await new Response(await lost.client.backup.export(recoveryKey)).blob();
  await lost[Symbol.asyncDispose]();
  await tablet[Symbol.asyncDispose]();
  await new ListTable(database.url, lost).dropAbove(1);
  await using found = await TestUser.open({ url, phone: lost.phone, store: memoryStore() });
  await expect(found.client.backup.restore(file.stream(), recoveryKey)).rejects.toMatchObject({
    code: "BAD_ANSWER",
  });
  await found.client.identity.reset();
  expect(await found.client.identity.check()).toBe("linked");
});

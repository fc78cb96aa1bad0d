import { randomUUID } from "node:crypto";
import { decodeBase64url, encodeBase64url } from "@sotto/schema";
import { memoryStore } from "@sotto/sdk";
import { generateDeviceKeys, makePublicKey } from "@sotto/sdk/sealed";
import { expect, test } from "vitest";
import { rest, signIn } from "../rest-client.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";

/** Publishes a device in somebody's name, as the server itself could. */
async function publishGhost(url: string, { phone }: TestUser): Promise<string> {
  const { id: userId, token } = await signIn(url, phone);
  const deviceId = randomUUID();
  const keys = await generateDeviceKeys({ userId, deviceId, now: Date.now(), extractable: true });
  const body = { device_id: deviceId, public_key: await makePublicKey(keys, Date.now()) };
  expect(await rest(url, "POST /keys/publish", { token, body })).toMatchObject({ status: 200 });
  return deviceId;
}

test("a ghost device gets nothing, and everyone is told of it", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await alice.to(bob).send("1");
  const deviceId = await publishGhost(url, bob);
  const told = alice.event("identity", ({ type }) => type === "device_not_listed");
  const ghost = { userId: bob.userId, deviceId };
  const { unreachable } = await alice.to(bob).send("2");
  expect(unreachable).toEqual([{ ...ghost, reason: "not_listed" }]);
  expect(await told).toEqual({ type: "device_not_listed", ...ghost });
  // Neither does its own user seal to it.
  expect((await bob.to(alice).send("3")).unreachable).toEqual([{ ...ghost, reason: "not_listed" }]);
  expect(await bob.client.devices.list()).toMatchObject([
    { deviceId: bob.me.deviceId, isListed: true, isThisDevice: true },
    { deviceId, isListed: false },
  ]);
  const wraps = await runSql(
    server.database.url,
    `select wraps->>'${bob.userId}/${deviceId}' as wrap from messages`,
  );
  expect(wraps.filter(({ wrap }) => wrap)).toEqual([]);
  await bob.untilReceived(2);
});

test("a new device waits until another one has read its code; a wrong code lets nobody in", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await using laptop = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  expect(await laptop.client.identity.state()).toBe("pending");
  await expect(laptop.to(alice).send("x")).rejects.toMatchObject({ code: "DEVICE_NOT_LINKED" });
  expect((await alice.to(bob).send("1")).unreachable).toMatchObject([{ reason: "not_listed" }]);

  const [code, same] = await Promise.all([laptop.client.devices.link(), laptop.client.devices.link()]);
  expect(same).toBe(code);
  expect(await laptop.client.devices.link()).toBe(code);
  const refusedFor = (text: string, by = bob) =>
    by.client.devices.approve(text).then(
      () => "approved",
      (error: { details?: { reason: string } }) => error.details?.reason,
    );
  expect(await refusedFor("sotto-link:1.")).toBe("malformed");
  expect(await refusedFor("12345678")).toBe("malformed");
  expect(await refusedFor(code, alice)).toBe("wrong_user");
  // The server put another key in the place of the one that the code names.
  const bytes = decodeBase64url(code.slice("sotto-link:1.".length));
  bytes[bytes.length - 40] = (bytes[bytes.length - 40] ?? 0) ^ 1;
  expect(await refusedFor(`sotto-link:1.${encodeBase64url(bytes)}`)).toBe("key_mismatch");
  await expect(laptop.client.devices.approve(code)).rejects.toMatchObject({ code: "DEVICE_NOT_LINKED" });

  const linked = laptop.event("identity", ({ type }) => type === "linked");
  expect(await bob.client.devices.approve(` ${code}\n`)).toBe(laptop.me.deviceId);
  await linked;
  await expect(laptop.client.devices.link()).rejects.toMatchObject({ code: "ALREADY_LINKED" });
  expect((await laptop.to(alice).send("2")).unreachable).toEqual([]);
  await alice.until("from the laptop", () => alice.texts.includes("2"));
  // A device that was approved approves in turn.
  await using tablet = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  await laptop.client.devices.approve(await tablet.client.devices.link());
  expect(await tablet.client.identity.check()).toBe("linked");
});

test("a device that was approved is linked, though the one that approved it is gone before it hears of that", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await using laptop = await TestUser.open({ url, phone: bob.phone, isStarted: false, isApproved: false });
  await using phone = await TestUser.open({ url, phone: bob.phone, isStarted: false, isApproved: false });
  await bob.client.devices.approve(await laptop.client.devices.link());
  await bob.client.devices.approve(await phone.client.devices.link());
  // It has not heard that it may.
  await phone.client.devices.remove(bob.me.deviceId);
  const [newest] = await runSql(
    server.database.url,
    `select version, position(convert_to('${bob.me.deviceId}', 'UTF8') in list) as "bobAt"
     from device_lists where user_id = '${bob.userId}' order by version desc limit 1`,
  );
  expect(newest).toEqual({ version: 4, bobAt: 0 });
  expect(await laptop.client.identity.check()).toBe("linked");
  await laptop.to(alice).send("1");
  await alice.untilReceived(1);
  expect(alice.received).toMatchObject([{ kind: "text", text: "1", assurance: "signed" }]);
});

test("a link code lets in once: not any more after its device was linked by another way", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using bob = await TestUser.open({ url });
  await using laptop = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  const seen = await laptop.client.devices.link();
  await laptop.client.identity.reset();
  expect(await laptop.client.identity.state()).toBe("linked");
  await bob.client.identity.reset();
  await bob.client.devices.approve(seen);
  expect(await laptop.client.identity.check()).toBe("pending");
  const code = await laptop.client.devices.link();
  expect(code).not.toBe(seen);
  await bob.client.devices.approve(code);
  expect(await laptop.client.identity.check()).toBe("linked");
});

test("a device that may not sign reads and writes, but lets nobody in", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await using kiosk = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  await bob.client.devices.approve(await kiosk.client.devices.link(), { maySign: false });
  expect(await kiosk.client.identity.check()).toBe("linked");
  await kiosk.to(alice).send("from the kiosk");
  await alice.untilReceived(1);
  expect(alice.texts).toEqual(["from the kiosk"]);
  await using other = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  const approving = kiosk.client.devices.approve(await other.client.devices.link());
  await expect(approving).rejects.toMatchObject({ code: "CANNOT_SIGN" });
});

test("two devices that change the list at once both have their way", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using bob = await TestUser.open({ url });
  await using laptop = await TestUser.open({ url, phone: bob.phone });
  await using third = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  await using fourth = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  await Promise.all([
    bob.client.devices.approve(await third.client.devices.link()),
    laptop.client.devices.approve(await fourth.client.devices.link()),
  ]);
  const devices = await bob.client.devices.list();
  expect(devices.filter(({ isListed }) => isListed)).toHaveLength(4);
});

test("a removed device is out of the list, even if the server keeps it", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await using stolen = await TestUser.open({ url, phone: bob.phone });
  const { deviceId } = stolen.me;
  await runSql(database.url, `create table kept as select * from devices where device_id = '${deviceId}'`);
  await bob.client.devices.remove(deviceId);
  await runSql(database.url, `insert into devices select * from kept`);
  expect((await alice.to(bob).send("1")).unreachable).toEqual([
    { userId: bob.userId, deviceId, reason: "not_listed" },
  ]);
});

test("safety numbers are equal on all devices of both, and say when a user was verified", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await using laptop = await TestUser.open({ url, phone: bob.phone });
  const number = await alice.client.identity.safetyNumber(bob.userId);
  expect(number?.digits).toMatch(/^\d{60}$/);
  expect(await bob.client.identity.safetyNumber(alice.userId)).toEqual(number);
  expect(await laptop.client.identity.safetyNumber(alice.userId)).toEqual(number);
  expect(await alice.client.identity.of(bob.userId)).toMatchObject({ kind: "signed", isVerified: false });
  expect(await alice.client.identity.verifyQr(bob.userId, "sotto-safety:1.AAAA")).toBe(false);
  expect(await alice.client.identity.verifyQr(bob.userId, number?.qr ?? "")).toBe(true);
  expect(await alice.client.identity.of(bob.userId)).toMatchObject({ isVerified: true, isBlocked: false });

  const told = alice.event("identity", ({ type }) => type === "identity_changed");
  await laptop.client.identity.reset();
  await alice.to(bob).send("1");
  expect(await told).toMatchObject({ userId: bob.userId, isBlocked: false });
  expect(await alice.client.identity.of(bob.userId)).toMatchObject({ isVerified: false });
  expect(await alice.client.identity.safetyNumber(bob.userId)).not.toEqual(number);
  // The other device has lost its place, until the one that went on lets it in again.
  expect(await bob.client.identity.check()).toBe("pending");
  await laptop.client.devices.approve(await bob.client.devices.link());
  expect(await bob.client.identity.check()).toBe("linked");
});

test("strict: nothing is sealed to another identity before it is confirmed", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url, identityChange: "strict" });
  await using bob = await TestUser.open({ url });
  await alice.to(bob).send("1");
  await using phone = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  await phone.client.identity.reset();
  const told = alice.event("identity", ({ type }) => type === "identity_changed");
  await phone.to(alice).send("who?");
  await alice.untilReceived(1);
  expect(alice.received).toMatchObject([{ kind: "unreadable", reason: "sender_unverified" }]);
  expect(await told).toMatchObject({ userId: bob.userId, isBlocked: true });
  await expect(alice.to(bob).send("2")).rejects.toMatchObject({
    code: "IDENTITY_CHANGED",
    details: { userId: bob.userId },
  });
  expect(await alice.client.identity.of(bob.userId)).toMatchObject({ isBlocked: true });
  const number = await alice.client.identity.safetyNumber(bob.userId);
  expect(await phone.client.identity.safetyNumber(alice.userId)).toEqual(number);
  await alice.client.identity.confirm(bob.userId);
  await alice.to(bob).send("3");
  await phone.until("the confirmed one's", () => phone.texts.includes("3"));
});

test("a user without a list is known device by device, and shown as such", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  const { id } = await signIn(url);
  expect(await alice.client.identity.of(id)).toEqual({
    userId: id,
    kind: "unsigned",
    isVerified: false,
    isBlocked: false,
    sinceMs: null,
  });
  expect(await alice.client.identity.safetyNumber(id)).toBeNull();
});

test("a server that forgets, forks, mixes up or invents lists is found out", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  const store = memoryStore();
  await using alice = await TestUser.open({ url, store });
  await using bob = await TestUser.open({ url });
  await using laptop = await TestUser.open({ url, phone: bob.phone });
  await using carol = await TestUser.open({ url });
  await alice.to(bob).send("1");
  await bob.client.stop();
  await laptop.client.stop();
  const sql = (text: string) => runSql(database.url, text);
  const ofBob = `user_id = '${bob.userId}'`;
  await sql(`create table kept as select * from device_lists where ${ofBob}`);
  const restore = () =>
    sql(`delete from device_lists where ${ofBob}; insert into device_lists select * from kept`);
  const attack = async (statement: string, reason: string): Promise<void> => {
    await restore();
    await sql(statement);
    // Alice starts anew with what she had pinned, and asks.
    await using again = await TestUser.open({ url, store, isStarted: false });
    const told = again.event("identity", ({ type }) => type === "list_refused");
    const { unreachable } = await again.to(bob).send(reason);
    expect(await told).toEqual({ type: "list_refused", userId: bob.userId, reason });
    // The list that was accepted stays in force.
    expect(unreachable).toEqual([]);
  };
  await alice.client.close();
  await attack(`delete from device_lists where ${ofBob}`, "rolled_back");
  await attack(`delete from device_lists where ${ofBob} and version = 2`, "rolled_back");
  await attack(
    `update device_lists set list = (select list from kept where version = 1) where ${ofBob} and version = 2`,
    "broken_chain",
  );
  await attack(
    `update device_lists set list = set_byte(list, 60, get_byte(list, 60) # 1) where ${ofBob} and version = 2`,
    "signature_invalid",
  );
  await attack(
    `update device_lists set list = (select list from device_lists where user_id = '${carol.userId}') where ${ofBob}`,
    "wrong_user",
  );
  await attack(`update device_lists set list = '\\x00' where ${ofBob}`, "malformed");

  // Bob's own device gives back what the server has lost.
  await sql(`delete from device_lists where ${ofBob} and version = 2`);
  const given = bob.event("identity", ({ type }) => type === "list_republished");
  await bob.start();
  expect(await given).toEqual({ type: "list_republished", fromVersion: 2 });
  expect(await sql(`select version from device_lists where ${ofBob} order by version`)).toEqual([
    { version: 1 },
    { version: 2 },
  ]);
});

import { randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import { decodeCbor } from "@sotto/schema";
import { type Store, createClient, memoryStore } from "@sotto/sdk";
import { expect, test } from "vitest";
import { createLog } from "../../src/log.ts";
import { Canaries, readTables } from "../canaries.ts";
import { createTestDatabase } from "../database.ts";
import { HttpStandIn } from "../http-stand-in.ts";
import { fcmEnv, listenAsFcm, pushesOf } from "../push-fixtures.ts";
import { RecordingProxy } from "../recording-proxy.ts";
import { RedisMonitor } from "../redis-monitor.ts";
import { randomPhone, rest } from "../rest-client.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { requireRedisUrl, startTestServer } from "../test-server.ts";
import { readEvent, webhookEnv } from "../webhook-fixtures.ts";

/**
 * All that may stand anywhere outside the clients, by where. What is said, keys, codes and PINs are in no line of it but
 * those of signing in. A place that holds less than this fails too.
 */
const allowed: Record<string, string[]> = {
  "table users": ["name", "phone"],
  "table otp_locks": ["phone"],
  "table devices": ["device-name", "push-token"],
  "table conversations": ["group-name"],
  "table conversation_entries": ["group-name"],
  "frames from clients": ["device-name", "group-name", "name", "otp", "phone", "pin", "push-token", "token"],
  "frames from the server": ["device-name", "group-name", "name", "phone", "token"],
  // A wake carries its entry, and a group's name is an entry's.
  Redis: ["group-name"],
  "SMS gateway": ["otp", "phone"],
  "push provider": ["push-token"],
};

interface Signing {
  canaries: Canaries;
  sms: HttpStandIn;
  url: string;
}

/** A device whose store can be looked into. */
interface Planted extends AsyncDisposable {
  user: TestUser;
  store: Store;
}

async function signIn(
  { canaries, sms, url }: Signing,
  { phone, pin, approver }: { phone: string; pin?: string; approver?: Planted },
): Promise<Planted> {
  const store = memoryStore();
  const client = await createClient({ url, store });
  const before = sms.received.length;
  const { otpSession } = await client.requestOtp(phone);
  await sms.until((received) => received.length > before);
  const otp = /"code":"(\d+)"/.exec(sms.received.at(-1)?.body.toString() ?? "")?.[1] ?? "";
  canaries.addCode("otp", otp);
  const [name, deviceName] = [canaries.plant("name"), canaries.plant("device-name")];
  await client.signIn({ phone, otp, otpSession, name, deviceName, pin });
  await client.close();
  canaries.add("token", await tokenOf(store));
  const user = await TestUser.open({ url, phone, store, isApproved: false });
  if (approver) await linkTo(approver, user, canaries);
  return { user, store, [Symbol.asyncDispose]: () => user[Symbol.asyncDispose]() };
}

async function linkTo({ user }: Planted, device: TestUser, canaries: Canaries): Promise<void> {
  const code = canaries.add("link-code", await device.client.devices.link());
  const parts = decodeCbor(Buffer.from(code.split(".")[1] ?? "", "base64url"), 1_000) as Uint8Array[];
  canaries.addBytes("link-code", parts.at(-1) ?? expect.fail("the secret"));
  await user.client.devices.approve(code);
  expect(await device.client.identity.check()).toBe("linked");
}

async function tokenOf(store: Store): Promise<string> {
  return ((await store.get("account")) as { token: string }).token;
}

/** The private keys that a device keeps, taken out of its store; gives how many. */
async function plantKeys({ store }: Planted, canaries: Canaries): Promise<number> {
  const { uikPrivate, transfer } = (await store.get("identity-key")) as {
    uikPrivate: Uint8Array;
    transfer: string | null;
  };
  const exported = decodeCbor((await store.get("device-keys")) as Uint8Array<ArrayBuffer>, 100_000);
  const [, , , dik, hpkeKeys] = exported as [
    string,
    string,
    string,
    [Uint8Array, Uint8Array],
    [number, Uint8Array][],
  ];
  const keys = [uikPrivate, dik[0], ...hpkeKeys.map(([, key]) => key)];
  // The last 32 bytes of a PKCS #8 key are the key.
  for (const key of keys) canaries.addBytes("private-key", key.subarray(-32));
  if (transfer !== null) canaries.add("private-key", transfer);
  return keys.length;
}

/** Everything that the SDK sends; gives the backups. */
async function sayEverything(
  canaries: Canaries,
  { ada, bob, adaLaptop }: { ada: Planted; bob: Planted; adaLaptop: Planted },
): Promise<Uint8Array[]> {
  const client = ada.user.client;
  const toBob = ada.user.to(bob.user);
  const text = canaries.plant("text");
  await toBob.send(text);
  await bob.user.until("the text", () => bob.user.texts.includes(text));
  const toAda = bob.user.to(ada.user);
  const [said] = (await toAda.messages({ limit: 1 })).messages;
  if (!said) throw new Error("the text is in the timeline");
  const answer = await toAda.reply(said, canaries.plant("reply"));
  await toAda.react(said, canaries.plant("reaction"));
  const answered = { senderUserId: bob.user.userId, clientMessageId: answer.clientMessageId };
  await toAda.edit(answered, canaries.plant("edit"));
  await toAda.typing(true);
  await sayFile(canaries, { ada, bob });
  const group = await client.groups.create(canaries.plant("group-name"), {
    memberUserIds: [bob.user.userId],
  });
  await group.rename(canaries.plant("group-name"));
  const toGroup = await group.send(canaries.plant("group-text"));
  await bob.user.until("the group's text", () => bob.user.received.some(({ id }) => id === toGroup.id));
  await bob.user.client.groups.get(group.groupId).delete(await sayAndForget(canaries, bob, group.groupId));
  await toAda.markRead();

  const number = await client.identity.safetyNumber(bob.user.userId);
  if (!number) throw new Error("both have identity keys");
  canaries.add("safety-number", number.digits);
  canaries.add("safety-number", number.qr);
  expect(await client.identity.verifyQr(bob.user.userId, number.qr)).toBe(true);
  const query = canaries.plant("query");
  expect(await client.conversations.search(query)).toEqual([]);
  expect(await client.conversations.search(text)).toHaveLength(1);
  return backUp(canaries, { ada, adaLaptop });
}

async function sayAndForget(canaries: Canaries, { user }: Planted, groupId: string) {
  const { clientMessageId } = await user.client.groups.get(groupId).send(canaries.plant("deleted-text"));
  return { senderUserId: user.userId, clientMessageId };
}

async function sayFile(canaries: Canaries, { ada, bob }: { ada: Planted; bob: Planted }): Promise<void> {
  const content = Buffer.from(canaries.plant("file-content").repeat(3_000));
  await ada.user.to(bob.user).sendFile(new Blob([content]), {
    name: canaries.plant("file-name"),
    type: `image/${canaries.plant("file-type")}`,
    caption: canaries.plant("caption"),
    thumbnail: new Uint8Array(Buffer.from(canaries.plant("thumbnail"))),
  });
  await bob.user.until("the file", () => bob.user.received.some(({ kind }) => kind === "file"));
  const file = bob.user.received.find((message) => message.kind === "file");
  if (!file) throw new Error("a file came");
  canaries.add("file-key", file.ageIdentity);
  const downloaded = await new Response(bob.user.client.files.download(file)).arrayBuffer();
  expect(Buffer.from(downloaded).equals(content)).toBe(true);
}

async function backUp(
  canaries: Canaries,
  { ada, adaLaptop }: { ada: Planted; adaLaptop: Planted },
): Promise<Uint8Array[]> {
  const { backup } = ada.user.client;
  const recoveryKey = canaries.add("recovery-key", await backup.generateRecoveryKey());
  canaries.add("recovery-key", recoveryKey.replaceAll("-", ""));
  const wrapped = await backup.wrapRecoveryKey(recoveryKey, canaries.plant("passphrase"));
  const file = await new Response(await backup.export(recoveryKey)).bytes();
  const forLaptop = await new Response(await backup.exportForDevice(adaLaptop.user.me.deviceId)).blob();
  await adaLaptop.user.client.backup.importFromDevice(forLaptop.stream());
  expect(await adaLaptop.user.client.conversations.list()).toHaveLength(2);
  return [file, await forLaptop.bytes(), Buffer.from(wrapped)];
}

test("nothing that is said, and no key, leaves the clients readable: the whole product on two processes", async () => {
  const canaries = new Canaries();
  const lines: string[] = [];
  const log = createLog(
    "trace",
    new Writable({ write: (line, _, done) => (lines.push(String(line)), done()) }),
  );
  await using sms = await HttpStandIn.listen();
  await using hook = await HttpStandIn.listen();
  await using fcm = await listenAsFcm();
  await using redis = await RedisMonitor.listen(requireRedisUrl());
  await using database = await createTestDatabase();
  const env = {
    ...webhookEnv([hook]),
    ...fcmEnv(fcm).env,
    REDIS_URL: requireRedisUrl(),
    NOTIFY_MODE: "redis",
    NOTIFY_REDIS_CHANNEL: `chat.${randomBytes(8).toString("hex")}`,
    OTP_MODE: "http",
    OTP_HTTP_URL: `${sms.url}/sms`,
    OTP_HTTP_SECRET: "a secret of the gateway",
  };
  await using first = await startTestServer({ database, env, log });
  await using second = await startTestServer({ database, env: { ...env, NOTIFY_MODE: "log" }, log });
  await using near = await RecordingProxy.listen(first.url);
  await using far = await RecordingProxy.listen(second.url);
  const signing = { canaries, sms };
  const [adaPhone, bobPhone] = [randomPhone(), randomPhone()].map((phone) => canaries.add("phone", phone));
  if (adaPhone === undefined || bobPhone === undefined) throw new Error("two numbers");

  await using ada = await signIn({ ...signing, url: near.url }, { phone: adaPhone });
  const pin = canaries.plant("pin").slice(0, 50);
  canaries.add("pin", pin);
  await ada.user.client.pin.set(pin);
  await using adaLaptop = await signIn({ ...signing, url: far.url }, { phone: adaPhone, pin, approver: ada });
  await using bob = await signIn({ ...signing, url: far.url }, { phone: bobPhone });
  await using bobLaptop = await signIn({ ...signing, url: near.url }, { phone: bobPhone, approver: bob });
  const [client, peer] = [ada.user.client, bob.user.client];
  const { userId: bobId } = await client.contacts.add(bobPhone);
  const backups = await sayEverything(canaries, { ada, bob, adaLaptop });

  // Who is away is pushed to.
  const pushToken = canaries.plant("push-token");
  const { deviceId } = bobLaptop.user.me;
  const token = await tokenOf(bobLaptop.store);
  const set = await rest(near.url, `PUT /keys/devices/${deviceId}`, {
    token,
    body: { push_token: pushToken },
  });
  expect(set.status).toBe(200);
  await bobLaptop.user.client.stop();
  await peer.stop();
  const last = await client.conversations.with(bobId).send(canaries.plant("text"));
  await fcm.until(() => pushesOf(fcm).length > 0);
  await hook.until((received) => received.some((each) => readEvent(each).data["message_id"] === last.id));
  for (const device of [ada, adaLaptop, bob, bobLaptop]) {
    expect(await plantKeys(device, canaries)).toBeGreaterThanOrEqual(3);
  }

  const places = new Map<string, (string | Uint8Array)[]>([
    ["log", lines],
    ["webhooks", hook.received.map(({ headers, body }) => JSON.stringify(headers) + body.toString())],
    ["push provider", pushesOf(fcm).map((push) => JSON.stringify(push))],
    ["SMS gateway", sms.received.map(({ body }) => body.toString())],
    ["Redis", [...(await redis.readAll()), ...redis.commands]],
    ["frames from clients", [...near.fromClients, ...far.fromClients]],
    ["frames from the server", [...near.fromServer, ...far.fromServer]],
    ["backups", backups],
  ]);
  // The places are those that were used.
  for (const name of ["log", "webhooks", "Redis", "frames from clients", "frames from the server"]) {
    const found = places.get(name)?.some((text) => Buffer.from(text).includes(last.conversationId));
    expect(found, name).toBe(true);
  }
  for (const [name, rows] of await readTables(database.url)) places.set(`table ${name}`, rows);
  const found = Object.fromEntries(
    [...places].map(([name, texts]) => {
      const all = new Set(texts.flatMap((text) => [...canaries.foundInAnyForm(text)]));
      return [name, [...all].toSorted()] as const;
    }),
  );
  const expected = Object.fromEntries([...places.keys()].map((name) => [name, allowed[name] ?? []]));
  expect(found).toEqual(expected);
}, 120_000);

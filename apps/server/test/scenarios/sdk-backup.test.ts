import { memoryStore, type Client } from "@sotto/sdk";
import { expect, test } from "vitest";
import { backUp, bytesOf, streamOf, withItems } from "../sdk-backups.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

async function textsOf(client: Client, peer: TestUser): Promise<string[]> {
  const { messages } = await client.conversations.with(peer.userId).messages({ limit: 50 });
  return messages.flatMap(({ content }) => (content.kind === "text" ? [content.text] : []));
}

test("after the loss of every device, the recovery key brings back identity, contacts and history", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  const lost = await TestUser.open({ url });
  await alice.to(lost).send("one");
  await lost.untilReceived(1);
  await lost.to(alice).send("two");
  await alice.untilReceived(1);
  await lost.client.identity.setVerified(alice.userId, true);
  const number = await lost.client.identity.safetyNumber(alice.userId);
  const recoveryKey = await lost.client.backup.generateRecoveryKey();
  const wrapped = await lost.client.backup.wrapRecoveryKey(recoveryKey, "passphrase");
  const file = await bytesOf(await lost.client.backup.export(recoveryKey));
  await lost[Symbol.asyncDispose]();
  await alice.to(lost).send("three");

  const changes: unknown[] = [];
  alice.client.on("identity", (event) => changes.push(event));
  await using found = await TestUser.open({ url, phone: lost.phone, store: memoryStore() });
  expect(await found.client.identity.state()).toBe("pending");
  const key = await found.client.backup.unwrapRecoveryKey(wrapped, "passphrase");
  expect(key).toBe(recoveryKey);
  await found.client.backup.restore(streamOf(file), key);
  expect(await found.client.identity.state()).toBe("linked");
  expect(await found.client.identity.of(alice.userId)).toMatchObject({ isVerified: true });
  expect(await found.client.identity.safetyNumber(alice.userId)).toEqual(number);
  expect(await textsOf(found.client, alice)).toEqual(["one", "two"]);
  const hits = await found.client.conversations.with(alice.userId).search("one");
  expect(hits).toHaveLength(1);

  await found.to(alice).send("four");
  await alice.until("the restored device's", () => alice.texts.includes("four"));
  await alice.to(found).send("five");
  await found.until("an answer", () => found.texts.includes("five"));
  expect(await textsOf(found.client, alice)).toEqual(["one", "two", "four", "five"]);
  expect(changes.filter((event) => JSON.stringify(event).includes("identity_changed"))).toEqual([]);
  // A second time changes nothing.
  await found.client.backup.restore(streamOf(file), key);
  expect(await textsOf(found.client, alice)).toEqual(["one", "two", "four", "five"]);
});

test("a backup is refused that is another's, cut off, altered, or of an identity that was given up", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  const { recoveryKey, file } = await backUp(bob.client);
  const refusedFor = (by: TestUser, bytes: Uint8Array<ArrayBuffer>, key = recoveryKey) =>
    by.client.backup.restore(streamOf(bytes), key).then(
      () => "restored",
      (error: { code: string; details?: { reason?: string } }) =>
        [error.code, error.details?.reason].filter(Boolean).join(" "),
    );
  expect(await refusedFor(alice, file)).toBe("BACKUP_REFUSED wrong_user");
  expect(await refusedFor(bob, file.slice(0, -1))).toBe("BACKUP_REFUSED damaged");
  expect(await refusedFor(bob, new Uint8Array(300))).toBe("BACKUP_REFUSED malformed");
  const otherKey = await alice.client.backup.generateRecoveryKey();
  expect(await refusedFor(bob, file, otherKey)).toBe("BACKUP_REFUSED wrong_key");
  expect(await refusedFor(bob, file, recoveryKey.slice(1))).toBe("RECOVERY_KEY_INVALID");

  await using phone = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  await phone.client.identity.reset();
  await using laptop = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  expect(await refusedFor(laptop, file)).toBe("IDENTITY_CHANGED");
  await laptop.client.backup.restore(streamOf(file), recoveryKey, { isHistoryOnly: true });
  expect(await laptop.client.identity.state()).toBe("pending");
});

test("who signed out everywhere comes back by the recovery key, and nobody is warned", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await alice.to(bob).send("one");
  await bob.untilReceived(1);
  const { recoveryKey, file } = await backUp(bob.client);
  await bob.client.signOut();
  await bob.signIn();
  expect(await bob.client.identity.state()).toBe("linked");
  await bob.client.backup.restore(streamOf(file), recoveryKey);
  const changes: unknown[] = [];
  alice.client.on("identity", ({ type }) => changes.push(type));
  await alice.to(bob).send("two");
  expect(changes).toEqual([]);
  expect(await textsOf(bob.client, alice)).toContain("one");
});

test("a linked device is given the history, in a file that only it can open", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  for (const text of ["one", "two"]) await alice.to(bob).send(text);
  await bob.untilReceived(2);
  await bob.to(alice).send("three");
  await using laptop = await TestUser.open({ url, phone: bob.phone });
  await alice.to(bob).send("four");
  await laptop.until("the first that is sealed for it", () => laptop.texts.includes("four"));
  const file = await bytesOf(await bob.client.backup.exportForDevice(laptop.me.deviceId));
  await expect(bob.client.backup.importFromDevice(streamOf(file))).rejects.toMatchObject({
    code: "DEVICE_NOT_LINKED",
  });
  await expect(bob.client.backup.exportForDevice("unknown")).rejects.toMatchObject({
    code: "DEVICE_NOT_FOUND",
  });
  await using tablet = await TestUser.open({ url, phone: bob.phone });
  await expect(tablet.client.backup.importFromDevice(streamOf(file))).rejects.toMatchObject({
    code: "BACKUP_REFUSED",
    details: { reason: "wrong_key" },
  });
  await laptop.client.backup.importFromDevice(streamOf(file));
  expect(await textsOf(laptop.client, alice)).toEqual(["one", "two", "three", "four"]);
  // What was sealed before it was linked may have come to it, unreadable; the history shows it, and nothing twice.
  expect(laptop.texts.filter((text) => text !== "(unreadable)")).toEqual(["four"]);
});

test("a code that is read twice lets its device in once, and the history for it stays readable", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await alice.to(bob).send("one");
  await bob.untilReceived(1);
  await using laptop = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  const code = await laptop.client.devices.link();
  const { deviceId } = laptop.me;
  const { devices } = bob.client;
  expect(await Promise.all([devices.approve(code), devices.approve(code)])).toEqual([deviceId, deviceId]);
  expect(await laptop.client.identity.check()).toBe("linked");
  expect(await devices.approve(code)).toBe(deviceId);
  const file = await bytesOf(await bob.client.backup.exportForDevice(deviceId));
  await laptop.client.backup.importFromDevice(streamOf(file));
  expect(await textsOf(laptop.client, alice)).toEqual(["one"]);
});

test("a device that was taken out and let in again is given the history anew", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await alice.to(bob).send("one");
  await bob.untilReceived(1);
  await using laptop = await TestUser.open({ url, phone: bob.phone, isStarted: false });
  const { deviceId } = laptop.me;
  await bob.client.devices.remove(deviceId);
  await laptop.signIn();
  expect(await laptop.client.identity.check()).toBe("pending");
  expect(await bob.client.devices.approve(await laptop.client.devices.link())).toBe(deviceId);
  expect(await laptop.client.identity.check()).toBe("linked");
  const file = await bytesOf(await bob.client.backup.exportForDevice(deviceId));
  await laptop.client.backup.importFromDevice(streamOf(file));
  expect(await textsOf(laptop.client, alice)).toEqual(["one"]);
});

test("an abort ends a restore whose file gives nothing more, and an error of the file's is told as it is", async () => {
  await using server = await startTestServer();
  await using bob = await TestUser.open(server);
  const { backup } = bob.client;
  const recoveryKey = await backup.generateRecoveryKey();
  const bytes = await bytesOf(await backup.export(recoveryKey));
  const aborting = new AbortController();
  const stalled = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes.slice(0, -1)),
  });
  const restoring = backup.restore(stalled, recoveryKey, { signal: aborting.signal });
  aborting.abort();
  await expect(restoring).rejects.toMatchObject({ code: "ABORTED" });
  const error = new TypeError("network error");
  const broken = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(error) });
  await expect(backup.restore(broken, recoveryKey)).rejects.toBe(error);
});

test("what its author deletes or edits after the export holds once the history is imported", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  const gone = await alice.to(bob).send("marked secret");
  const draft = await alice.to(bob).send("marked draft");
  await bob.untilReceived(2);
  const store = memoryStore();
  await using laptop = await TestUser.open({ url, phone: bob.phone, store });
  const file = await bytesOf(await bob.client.backup.exportForDevice(laptop.me.deviceId));
  await alice.to(bob).delete({ senderUserId: alice.userId, ...gone });
  await alice.to(bob).edit({ senderUserId: alice.userId, ...draft }, "final");
  await laptop.until("the edit", () => laptop.received.some(({ kind }) => kind === "edit"));

  await laptop.client.backup.importFromDevice(streamOf(file));
  await laptop.untilShows(laptop.to(alice), ["(deleted)", "final"]);
  expect(await laptop.to(alice).search("marked")).toEqual([]);
  expect(await laptop.to(alice).search("final")).toHaveLength(1);
  expect(JSON.stringify(await store.list(""))).not.toContain("secret");
  // The same file again does not bring it back.
  await laptop.client.backup.importFromDevice(streamOf(file));
  await laptop.untilShows(laptop.to(alice), ["(deleted)", "final"]);
  expect(JSON.stringify(await store.list(""))).not.toContain("secret");
});

test("what came to a waiting device stays unread once the history shows it, until it is read", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await using laptop = await TestUser.open({ url, phone: bob.phone, isApproved: false });
  await alice.to(bob).send("one");
  await bob.untilReceived(1);
  await laptop.untilReceived(1);
  expect(laptop.texts).toEqual(["(unreadable)"]);
  await laptop.getApproved();
  const file = await bytesOf(await bob.client.backup.exportForDevice(laptop.me.deviceId));
  await laptop.client.backup.importFromDevice(streamOf(file));
  expect(await textsOf(laptop.client, alice)).toEqual(["one"]);
  expect(await laptop.to(alice).summary()).toMatchObject({ unreadCount: 1 });
  await laptop.to(alice).markRead();
  expect(await laptop.to(alice).summary()).toMatchObject({ unreadCount: 0 });
});

test("the senders are told when a restored history is marked as read", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  const lost = await TestUser.open({ url });
  await alice.to(lost).send("one");
  await lost.untilReceived(1);
  const { recoveryKey, file } = await backUp(lost.client);
  await lost[Symbol.asyncDispose]();
  await using found = await TestUser.open({ url, phone: lost.phone, isApproved: false });
  await found.client.backup.restore(streamOf(file), recoveryKey);
  await found.to(alice).markRead();
  await alice.untilAsync("the receipt", async () => {
    const { messages } = await alice.to(lost).messages();
    return messages[0]?.state === "read";
  });
});

test("a conversation that the server does not name comes back too, and is in the next backup", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  const lost = await TestUser.open({ url });
  await alice.to(lost).send("one");
  const left = await alice.client.groups.create("Lighthouse", { memberUserIds: [lost.userId] });
  await left.send("at six");
  await lost.untilReceived(2);
  await lost.client.groups.get(left.groupId).leave();
  // The server names the 100 last active ones.
  for (let made = 0; made < 100; made++) await lost.client.groups.create(`Group ${made}`);
  const { recoveryKey, file: first } = await backUp(lost.client);
  let file = first;
  await lost[Symbol.asyncDispose]();

  for (let generation = 0; generation < 2; generation++) {
    await using found = await TestUser.open({ url, phone: lost.phone, isApproved: false, isStarted: false });
    await found.client.backup.restore(streamOf(file), recoveryKey);
    const listed = await found.client.conversations.list();
    expect(listed).toHaveLength(102);
    expect(listed).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ id: left.groupId, isGroup: true, peerUserId: null, name: "Lighthouse" }),
        expect.objectContaining({ isGroup: false, peerUserId: alice.userId }),
      ]),
    );
    expect(await textsOf(found.client, alice)).toEqual(["one"]);
    const group = await found.client.conversations.get(left.groupId);
    const contents = (await group?.messages())?.messages.map(({ content }) => content);
    expect(contents).toContainEqual(expect.objectContaining({ kind: "text", text: "at six" }));
    expect(await found.client.conversations.search("six")).toHaveLength(1);
    const history = await new Response(
      (await found.client.conversations.export()) as ReadableStream<Uint8Array<ArrayBuffer>>,
    ).text();
    for (const text of ["one", "at six", "Lighthouse"]) expect(history).toContain(`"${text}"`);
    file = await bytesOf(await found.client.backup.export(recoveryKey));
  }
}, 60_000);

test("a backup that names no conversations, as of earlier versions, is taken in", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  const lost = await TestUser.open({ url });
  await alice.to(lost).send("one");
  await lost.untilReceived(1);
  const backup = await backUp(lost.client);
  const bytes = await withItems(backup, (items) => items.filter(([, name]) => name !== "conversation"));
  await lost[Symbol.asyncDispose]();
  await using found = await TestUser.open({ url, phone: lost.phone, isApproved: false });
  await found.client.backup.restore(streamOf(bytes), backup.recoveryKey);
  expect(await textsOf(found.client, alice)).toEqual(["one"]);
  expect(await found.client.conversations.list()).toMatchObject([{ peerUserId: alice.userId }]);
});

test.each(["pin", "conversation", "message"])("a backup whose %s is none is refused", async (name) => {
  await using server = await startTestServer();
  await using bob = await TestUser.open(server);
  const backup = await backUp(bob.client);
  const file = await withItems(backup, (items) => [...items, ["item", name, {}]]);
  await expect(bob.client.backup.restore(streamOf(file), backup.recoveryKey)).rejects.toMatchObject({
    code: "BACKUP_REFUSED",
    details: { reason: "malformed" },
  });
});

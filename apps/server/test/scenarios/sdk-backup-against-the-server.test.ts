/** What a backup knows of others, where the server said something else before it was restored. */
import { expect, test } from "vitest";
import { RecordingProxy } from "../recording-proxy.ts";
import { backUp, bytesOf, streamOf, withItems } from "../sdk-backups.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";

/** Alice was verified by Bob, who has made a backup, signed out everywhere, and in again: he knows nobody any more. */
async function startAgain(url: string, identityChange: "tofu" | "strict" = "tofu") {
  const alice = await TestUser.open({ url });
  const bob = await TestUser.open({ url, identityChange });
  const { identity, backup } = bob.client;
  await bob.to(alice).send("one");
  await alice.untilReceived(1);
  await identity.setVerified(alice.userId, true);
  const since = (await identity.of(alice.userId)).sinceMs;
  const { recoveryKey, file } = await backUp(bob.client);
  await bob.client.signOut();
  await bob.signIn();
  expect(await identity.state()).toBe("linked");
  const told: unknown[] = [];
  bob.client.on("identity", (event) => event.type === "identity_changed" && told.push(event));
  return {
    alice,
    bob,
    since,
    told,
    restore: () => backup.restore(streamOf(file), recoveryKey),
    [Symbol.asyncDispose]: async () => {
      await alice[Symbol.asyncDispose]();
      await bob[Symbol.asyncDispose]();
    },
  };
}

/** As whoever gets hold of her chain at the server would: it goes on under another key. */
async function goOnWithAnotherKey(url: string, { phone }: TestUser): Promise<void> {
  await using other = await TestUser.open({ url, phone, isApproved: false });
  await other.client.identity.reset();
}

test("who was verified is verified again, though a message was sent before the restore", async () => {
  await using server = await startTestServer();
  await using again = await startAgain(server.url);
  const { alice, bob, told, since, restore } = again;
  await using laptop = await TestUser.open({ url: server.url, phone: alice.phone });
  await bob.to(alice).send("two");
  await laptop.untilReceived(1);
  await restore();
  expect(await bob.client.identity.of(alice.userId)).toMatchObject({ isVerified: true, sinceMs: since });
  // The list that was accepted meanwhile is the newer one, and stays: without it the server could take it back.
  await runSql(
    server.database.url,
    `delete from device_lists where user_id = '${alice.userId}' and version > 1`,
  );
  const refused = bob.event("identity", ({ type }) => type === "list_refused");
  await bob.to(alice).send("three");
  expect(await refused).toMatchObject({ userId: alice.userId, reason: "rolled_back" });
  expect(told).toEqual([]);
});

test.each(["tofu", "strict"] as const)(
  "%s: a key that was planted before the restore is told, and is not the one that was verified",
  async (policy) => {
    await using server = await startTestServer();
    await using again = await startAgain(server.url, policy);
    const { alice, bob, told, restore } = again;
    const { identity } = bob.client;
    const userId = alice.userId;
    await goOnWithAnotherKey(server.url, alice);
    expect(await identity.safetyNumber(userId)).not.toBeNull();
    await restore();
    expect(told).toEqual([{ type: "identity_changed", userId, isBlocked: false, version: 2 }]);
    const sending = bob.to(alice).send("two");
    if (policy === "strict") {
      await expect(sending).rejects.toMatchObject({ code: "IDENTITY_CHANGED" });
    } else await sending;
    expect(await identity.of(userId)).toMatchObject({ isVerified: false, isBlocked: policy === "strict" });
  },
);

test("a key that was planted before the restore and is gone since is told, and nothing more is sealed to it", async () => {
  await using server = await startTestServer();
  await using again = await startAgain(server.url, "strict");
  const { alice, bob, told, restore } = again;
  await goOnWithAnotherKey(server.url, alice);
  await bob.client.identity.safetyNumber(alice.userId);
  await runSql(
    server.database.url,
    `delete from device_lists where user_id = '${alice.userId}' and version > 1`,
  );
  await restore();
  expect(told).toMatchObject([{ userId: alice.userId, version: 2 }]);
  await bob.to(alice).send("two");
  await alice.untilReceived(2);
  expect(await bob.client.identity.of(alice.userId)).toMatchObject({ isVerified: true, isBlocked: false });
});

test("what was compared on this device goes before what the backup knows", async () => {
  await using server = await startTestServer();
  await using again = await startAgain(server.url, "strict");
  const { alice, bob, told, restore } = again;
  await goOnWithAnotherKey(server.url, alice);
  await bob.client.identity.setVerified(alice.userId, true);
  await restore();
  expect(await bob.client.identity.of(alice.userId)).toMatchObject({ isVerified: true, isBlocked: false });
  await bob.to(alice).send("two");
  expect(told).toEqual([]);
});

test("strict: a key that another device took on trust is not taken from it", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using phone = await TestUser.open({ url });
  await using laptop = await TestUser.open({
    url,
    phone: phone.phone,
    identityChange: "strict",
    isStarted: false,
  });
  await laptop.to(alice).send("one");
  await goOnWithAnotherKey(url, alice);
  await phone.to(alice).send("two");
  const file = await bytesOf(await phone.client.backup.exportForDevice(laptop.me.deviceId));
  await laptop.client.backup.importFromDevice(streamOf(file));
  await expect(laptop.to(alice).send("three")).rejects.toMatchObject({ code: "IDENTITY_CHANGED" });
});

test("a contact with one's own name is passed over", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open(server);
  await bob.to(alice).send("one");
  const backup = await backUp(bob.client);
  const file = await withItems(backup, (items) =>
    items.map(([item, name, value]) => [item, name, Object.assign({}, value, { userId: bob.userId })]),
  );
  await bob.client.backup.restore(streamOf(file), backup.recoveryKey);
  expect(await bob.client.identity.check()).toBe("linked");
});

test("a history is not taken in where the server gives the conversation as that with another user", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using proxy = await RecordingProxy.listen(url);
  await using alice = await TestUser.open({ url });
  await using mallory = await TestUser.open({ url });
  const lost = await TestUser.open({ url });
  const { conversationId } = await alice.to(lost).send("marked secret");
  await lost.untilReceived(1);
  const { recoveryKey, file } = await backUp(lost.client);
  await lost[Symbol.asyncDispose]();

  proxy.alter = ({ path, status, text }) => ({
    path,
    status,
    text: path.startsWith("/trpc/messages.conversationsSummary")
      ? text.replaceAll(alice.userId, mallory.userId)
      : text,
  });
  await using found = await TestUser.open({
    url: proxy.url,
    phone: lost.phone,
    isApproved: false,
    isStarted: false,
  });
  const { backup, conversations } = found.client;
  await expect(backup.restore(streamOf(file), recoveryKey)).rejects.toMatchObject({ code: "BAD_ANSWER" });
  expect(await conversations.list()).toMatchObject([{ id: conversationId, peerUserId: mallory.userId }]);
  expect(await conversations.search("marked")).toEqual([]);
});

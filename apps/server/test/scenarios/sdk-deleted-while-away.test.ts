import { memoryStore } from "@sotto/sdk";
import { expect, test } from "vitest";
import { Proxy } from "../proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const everythingIn = async (store: ReturnType<typeof memoryStore>) => JSON.stringify(await store.list(""));

test("what a moderator deletes while devices are away is shown as deleted to all, and kept by none", async () => {
  await using server = await startTestServer();
  const { url } = server;
  const [bobs, carols, phones] = [memoryStore(), memoryStore(), memoryStore()];
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url, store: bobs });
  await using carol = await TestUser.open({ url, store: carols });
  await using phone = await TestUser.open({ url, phone: carol.phone, store: phones });
  const group = await alice.client.groups.create("Lighthouse", {
    memberUserIds: [bob.userId, carol.userId],
  });
  const of = (user: TestUser) => user.client.groups.get(group.groupId);
  for (const user of [bob, carol, phone]) await user.untilGroup(group.groupId);
  for (const user of [bob, phone]) await user.client.stop();
  // Its own author has had no entry of it when it is deleted.
  await carol.client.stop();
  const { id, clientMessageId } = await of(carol).send("marked secret");
  await alice.untilReceived(1);
  const message = { senderUserId: carol.userId, clientMessageId };
  await of(alice).react(message, "👎");
  await of(alice).deleteMessage(message);
  await of(alice).send("after it");

  for (const user of [bob, carol, phone]) {
    await user.start();
    await user.untilShows(of(user), ["(created)", "(deleted)", "after it"]);
    const [, deleted] = (await of(user).messages()).messages;
    expect(deleted).toMatchObject({
      id,
      senderUserId: carol.userId,
      content: { kind: "deleted", by: "moderator", userId: alice.userId },
      reactions: [],
    });
    expect(await of(user).search("marked")).toEqual([]);
    expect(await of(user).withheld()).toEqual([]);
  }
  for (const store of [bobs, carols, phones]) expect(await everythingIn(store)).not.toContain("marked");
  expect(bob.texts).toEqual(["(reaction)", "after it"]);

  await using laptop = await TestUser.open({ url, phone: bob.phone });
  await laptop.untilCaughtUp();
  await laptop.client.conversations.list();
  expect((await of(laptop).messages()).messages[1]?.content).toMatchObject({ kind: "deleted" });
}, 60_000);

test("a message whose answer was lost, and that was deleted meanwhile, is shown deleted by its author too", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  const store = memoryStore();
  await using alice = await TestUser.open(server);
  await using carol = await TestUser.open({ url: proxy.url, store });
  const group = await alice.client.groups.create("Lighthouse", { memberUserIds: [carol.userId] });
  await carol.untilGroup(group.groupId);
  const her = carol.client.groups.get(group.groupId);
  await her.send("first");
  await alice.untilReceived(1);
  await carol.client.stop();
  const lost = proxy.loseAnswerTo("messages.sendGroup");
  const clientMessageId = crypto.randomUUID();
  const sending = her.send("marked secret", { clientMessageId });
  await lost;
  proxy.goOffline();
  await alice.untilReceived(2);
  await group.deleteMessage({ senderUserId: carol.userId, clientMessageId });
  proxy.goOnline();
  await carol.start();
  await sending;
  await carol.untilShows(her, ["(created)", "first", "(deleted)"]);
  expect(await everythingIn(store)).not.toContain("marked");
}, 60_000);

test("what its author deletes before it was consumed is not given to the application, and kept nowhere", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  const store = memoryStore();
  await using phone = await TestUser.open({ url, store, isStarted: false });
  const { clientMessageId } = await alice.to(phone).send("marked secret");
  const message = { senderUserId: alice.userId, clientMessageId };
  await alice.to(phone).edit(message, "marked again");
  await alice.to(phone).send("kept");
  await phone.client.start();
  await phone.untilShows(phone.to(alice), ["marked again", "kept"]);
  await phone.client.stop();
  expect(await everythingIn(store)).toContain("marked secret");
  await alice.to(phone).delete(message);
  await phone.client.start();
  await phone.untilShows(phone.to(alice), ["(deleted)", "kept"]);
  await phone.start();
  await phone.untilReceived(4);
  expect(phone.received.map(({ kind }) => kind)).toEqual(["deleted", "deleted", "text", "deletion"]);
  expect(await everythingIn(store)).not.toContain("marked");

  // Both at once.
  await phone.client.stop();
  const again = await alice.to(phone).send("marked once more");
  await alice.to(phone).delete({ senderUserId: alice.userId, clientMessageId: again.clientMessageId });
  await phone.client.start();
  await phone.untilShows(phone.to(alice), ["(deleted)", "kept", "(deleted)"]);
  await phone.start();
  await phone.untilReceived(6);
  expect(phone.received.slice(4).map(({ kind }) => kind)).toEqual(["deleted", "deletion"]);
  expect(await everythingIn(store)).not.toContain("marked");
}, 60_000);

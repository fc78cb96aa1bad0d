import { memoryStore, type Message } from "@sotto/sdk";
import { expect, test } from "vitest";
import { Proxy } from "../proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

test("a message is shown at once, and its state follows", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open(server);
  await alice.untilCaughtUp();
  proxy.goOffline();
  const conversation = alice.to(bob);
  const sending = conversation.send("hello");
  const line = async () => (await conversation.messages()).messages.at(-1);
  await alice.untilAsync("shown", async () => (await line()) !== undefined);
  expect(await line()).toMatchObject({ state: "queued", content: { text: "hello" }, id: null, seq: null });
  proxy.goOnline();
  const { id, clientMessageId } = await sending;
  expect(await line()).toMatchObject({ id, key: clientMessageId, isOwn: true });
  await bob.untilReceived(1);
  await alice.untilAsync("delivered", async () => (await line())?.state === "delivered");
  await bob.to(alice).markRead();
  await alice.untilAsync("read", async () => (await line())?.state === "read");
  expect(await line()).toMatchObject({ key: clientMessageId, seq: 1, receipts: { read: 1 } });
});

test("edits, reactions and deletions are shown at once here, and then on every device", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using alicePhone = await TestUser.open({ ...server, phone: alice.phone });
  await using bob = await TestUser.open(server);
  const { clientMessageId } = await alice.to(bob).send("teh harbour");
  const message = { senderUserId: alice.userId, clientMessageId };
  await bob.untilReceived(1);
  const [editing, reacting] = [
    alice.to(bob).edit(message, "the harbour"),
    bob.to(alice).react(message, "👍"),
  ];
  await alice.untilShows(alice.to(bob), ["the harbour"]);
  await Promise.all([editing, reacting]);
  for (const device of [bob, alicePhone]) {
    const conversation = device === bob ? bob.to(alice) : device.to(bob);
    await device.untilAsync("edit and reaction", async () => {
      const found = await conversation.find(message);
      return found?.editedAtMs !== null && found?.reactions.length === 1;
    });
    expect(await conversation.search("the harb")).toMatchObject([{ content: { text: "the harbour" } }]);
    expect(await conversation.search("teh")).toEqual([]);
  }
  await bob.to(alice).unreact(message, "👍");
  await alice.to(bob).delete(message);
  await bob.untilShows(bob.to(alice), ["(deleted)"]);
  expect(await bob.to(alice).search("harbour")).toEqual([]);
  await expect(bob.to(alice).edit(message, "mine now")).rejects.toMatchObject({ code: "NOT_YOUR_MESSAGE" });
});

test("a user puts so many emojis on a message and no more; one that is taken back makes room", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open(server);
  const { clientMessageId } = await alice.to(bob).send("hello");
  const message = { senderUserId: alice.userId, clientMessageId };
  await bob.untilReceived(1);
  const conversation = bob.to(alice);
  for (let n = 0; n < 16; n++) await conversation.react(message, `e${n}`);
  await conversation.react(message, "e0");
  await expect(conversation.react(message, "one more")).rejects.toMatchObject({
    code: "TOO_MANY_REACTIONS",
    details: { max: 16 },
  });
  await conversation.unreact(message, "e3");
  await conversation.react(message, "one more");
  for (const [user, to] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    await user.untilAsync("the last one", async () => {
      const { reactions = [] } = (await user.to(to).find(message)) ?? {};
      return reactions.at(-1)?.emoji === "one more" && reactions.length === 16;
    });
  }
});

test("a waiting message can be cancelled, a failed one sent again; order is kept", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open(server);
  const conversation = alice.to(bob);
  await bob.client.contacts.block(alice.userId);
  const id = crypto.randomUUID();
  await expect(conversation.send("blocked", { clientMessageId: id })).rejects.toMatchObject({
    code: "YOU_ARE_BLOCKED",
  });
  const failed = { senderUserId: alice.userId, clientMessageId: id };
  expect(await conversation.find(failed)).toMatchObject({ state: "failed", error: "YOU_ARE_BLOCKED" });
  await bob.client.contacts.unblock(alice.userId);
  const { id: sentId } = await conversation.retry(id);
  await bob.untilReceived(1);
  expect(await conversation.find(failed)).toMatchObject({ id: sentId, error: null });
  await expect(conversation.retry(id)).rejects.toMatchObject({ code: "MESSAGE_NOT_FOUND" });

  proxy.goOffline();
  const [first, second] = [crypto.randomUUID(), crypto.randomUUID()];
  const one = conversation.send("1", { clientMessageId: first });
  const two = conversation.send("2", { clientMessageId: second });
  const three = conversation.send("3");
  await alice.untilShows(conversation, ["blocked", "1", "2", "3"]);
  expect(await conversation.cancel(second)).toBe(true);
  await expect(two).rejects.toMatchObject({ code: "ABORTED" });
  proxy.goOnline();
  await Promise.all([one, three]);
  expect(await conversation.cancel(first)).toBe(false);
  await bob.untilReceived(3);
  expect(bob.texts).toEqual(["blocked", "1", "3"]);
});

test("a new device lists the conversations from before, and what it may not read says so", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open(server);
  const group = await alice.client.groups.create("Before", { memberUserIds: [bob.userId] });
  await group.send("old");
  for (const text of ["1", "2", "3"]) await alice.to(bob).send(text);
  await bob.untilReceived(4);
  await alice.untilAsync("delivered", async () => {
    const { messages } = await alice.to(bob).messages();
    return messages.every(({ state }) => state === "delivered");
  });
  await using phone = await TestUser.open({ ...server, phone: bob.phone });
  await phone.untilCaughtUp();
  expect((await phone.client.conversations.list()).map(({ name, peerUserId }) => name ?? peerUserId)).toEqual(
    [alice.userId, "Before"],
  );
  const { messages, hasEarlier } = await phone.to(alice).messages();
  expect(messages.map(({ content }) => content)).toEqual(
    [1, 2, 3].map(() => ({ kind: "unreadable", reason: "not_for_this_device" })),
  );
  expect(hasEarlier).toBe(false);
  await alice.to(bob).send("4");
  await phone.untilReceived(1);
  expect(await phone.to(alice).summary()).toMatchObject({
    unreadCount: 1,
    lastMessage: { content: { text: "4" } },
  });
});

test("the timeline survives a restart, and reads offline", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  const store = memoryStore();
  await using bob = await TestUser.open(server);
  {
    await using alice = await TestUser.open({ url: proxy.url, store });
    await alice.to(bob).send("kept");
    await bob.untilReceived(1);
    await bob.to(alice).send("kept too");
    await alice.untilReceived(1);
  }
  proxy.goOffline();
  await using again = await TestUser.open({ url: proxy.url, store, isStarted: false });
  await again.untilShows(again.to(bob), ["kept", "kept too"]);
  expect(await again.client.conversations.get(crypto.randomUUID())).toBeUndefined();
  expect(await again.to(bob).search("kept")).toHaveLength(2);
  const [newest, oldest] = await again.client.conversations.search("KEPT");
  expect([newest, oldest]).toMatchObject([{ content: { text: "kept too" } }, { content: { text: "kept" } }]);
  expect(await again.client.conversations.search("kept", { before: newest })).toMatchObject([
    { key: oldest?.key },
  ]);
});

test("a conversation tells of its own lines and typing, and of no other's", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open(server);
  await using carol = await TestUser.open(server);
  const told: string[] = [];
  const conversation = bob.to(alice);
  const note = (name: string) => (line: Message) =>
    told.push(`${name} ${line.content.kind} ${String(line.isOwn)} ${line.state}`);
  const stops = [conversation.on("message", note("new")), conversation.on("messageChanged", note("changed"))];
  stops.push(
    conversation.on("typing", ({ userId }) => told.push(`typing ${String(userId === alice.userId)}`)),
  );
  await carol.to(bob).send("from another");
  await alice.to(bob).typing(true);
  await alice.to(bob).send("hello");
  await bob.untilReceived(2);
  await conversation.send("hello back");
  await bob.untilAsync("delivered", async () => {
    return (await conversation.messages()).messages.at(-1)?.state === "delivered";
  });
  for (const stop of stops) stop();
  await alice.to(bob).send("unheard");
  await bob.untilReceived(3);
  expect(told.slice(0, 2).toSorted()).toEqual(["new text false received", "typing true"]);
  const own = told.slice(2);
  expect(own[0]).toMatch(/^new text true (queued|sent)$/);
  expect(own.at(-1)).toBe("changed text true delivered");
  expect(own.slice(1).every((one) => one.startsWith("changed text true "))).toBe(true);
});

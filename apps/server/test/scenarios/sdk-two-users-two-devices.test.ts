import { expect, test } from "vitest";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

test("two users with two devices each: every device reads every text, the sending one excepted", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using alicePhone = await TestUser.open({ url, phone: alice.phone });
  await using bob = await TestUser.open({ url });
  await using bobPhone = await TestUser.open({ url, phone: bob.phone });
  expect(alicePhone.userId).toBe(alice.userId);
  expect(alicePhone.me.deviceId).not.toBe(alice.me.deviceId);

  const hello = await alice.to(bob).send("hello Bob");
  await Promise.all([bob, bobPhone, alicePhone].map((device) => device.untilReceived(1)));
  const answer = await bobPhone.to(alice).send("hello Alice");
  await Promise.all([alice.untilReceived(1), ...[alicePhone, bob].map((device) => device.untilReceived(2))]);

  expect(alice.texts).toEqual(["hello Alice"]);
  expect(alicePhone.texts).toEqual(["hello Bob", "hello Alice"]);
  expect(bob.texts).toEqual(["hello Bob", "hello Alice"]);
  expect(bobPhone.texts).toEqual(["hello Bob"]);
  expect(alicePhone.received[0]).toMatchObject({
    id: hello.id,
    clientMessageId: hello.clientMessageId,
    conversationId: hello.conversationId,
    senderUserId: alice.userId,
    senderDeviceId: alice.me.deviceId,
    isOwn: true,
    assurance: "signed",
  });
  expect(alice.received[0]).toMatchObject({
    id: answer.id,
    senderDeviceId: bobPhone.me.deviceId,
    isOwn: false,
  });
  expect(answer.conversationId).toBe(hello.conversationId);

  const { messages } = await alice.to(bob).messages();
  expect(messages).toMatchObject([
    { content: { text: "hello Bob" }, isOwn: true },
    { content: { text: "hello Alice" }, isOwn: false },
  ]);
  const [, newest] = (await bob.to(alice).messages()).messages;
  expect((await bob.to(alice).messages({ before: newest })).messages).toMatchObject([
    { content: { text: "hello Bob" }, isOwn: false },
  ]);
});

test("the sender is told of delivery and reading", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open(server);
  const delivered = alice.event("receipt", ({ kind }) => kind === "delivered");
  const read = alice.event("receipt", ({ kind }) => kind === "read");
  const { id, conversationId } = await alice.to(bob).send("are you there?");
  await bob.untilReceived(1);
  expect(await delivered).toEqual({
    kind: "delivered",
    conversationId,
    messageId: id,
    userId: bob.userId,
    deviceId: bob.me.deviceId,
  });
  expect(await bob.client.conversations.list()).toMatchObject([
    { id: conversationId, peerUserId: alice.userId, unreadCount: 1 },
  ]);
  await bob.to(alice).markRead();
  expect(await read).toMatchObject({ messageId: id, userId: bob.userId });
  expect(await bob.client.conversations.list()).toMatchObject([{ unreadCount: 0 }]);
});

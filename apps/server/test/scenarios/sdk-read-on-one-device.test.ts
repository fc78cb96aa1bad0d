import { expect, test } from "vitest";
import { Proxy } from "../proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

test("receipts of a group's messages make no conversation of their own", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  const { groupId } = await alice.client.groups.create("Lighthouse", { memberUserIds: [bob.userId] });
  const read = alice.event("receipt", ({ kind }) => kind === "read");
  await alice.client.groups.get(groupId ?? "").send("hello");
  await bob.untilReceived(1);
  await bob.client.groups.get(groupId ?? "").markRead();
  await read;
  expect((await alice.client.conversations.list()).map(({ id }) => id)).toEqual([groupId]);
});

test("what is read on one device is read on the others, whether they are there or not", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using line = await Proxy.open(url);
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await using phone = await TestUser.open({ url, phone: bob.phone });
  await using laptop = await TestUser.open({ url: line.url, phone: bob.phone });
  const unreadOf = async (user: TestUser) => (await user.to(alice).summary())?.unreadCount;
  await alice.to(bob).send("1");
  await Promise.all([bob, phone, laptop].map((user) => user.untilReceived(1)));
  expect(await Promise.all([bob, phone, laptop].map(unreadOf))).toEqual([1, 1, 1]);
  await laptop.client.stop();
  await bob.to(alice).markRead();
  await phone.untilAsync("nothing unread", async () => (await unreadOf(phone)) === 0);
  // What came after that is unread on each.
  await alice.to(bob).send("2");
  await laptop.start();
  await Promise.all([bob, phone, laptop].map((user) => user.untilReceived(2)));
  await laptop.untilCaughtUp();
  expect(await Promise.all([bob, phone, laptop].map(unreadOf))).toEqual([1, 1, 1]);
  // A device that meets the conversation only now.
  await using carol = await TestUser.open({ url });
  await laptop.client.stop();
  await carol.to(bob).send("a");
  await Promise.all([bob, phone].map((user) => user.untilReceived(3)));
  await bob.to(carol).markRead();
  await laptop.start();
  await laptop.untilReceived(3);
  await laptop.untilAsync(
    "nothing unread of Carol's",
    async () => (await laptop.to(carol).summary())?.unreadCount === 0,
  );
  expect(await unreadOf(laptop)).toBe(1);
});

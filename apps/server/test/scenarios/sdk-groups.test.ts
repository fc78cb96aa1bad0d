import type { Group, MessageContent } from "@sotto/sdk";
import { expect, test } from "vitest";
import { RecordingProxy } from "../recording-proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const saying = ({ kind, ...content }: MessageContent): string =>
  "text" in content ? content.text : "action" in content ? `(${content.action})` : `(${kind})`;

async function read(group: Group): Promise<string[]> {
  return (await group.messages()).messages.map(({ content }) => saying(content));
}

test("a group of three with two devices each: every device shows the same", async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startTestServer());
  const { url } = server;
  const open = async (phone?: string) => stack.use(await TestUser.open({ url, ...(phone ? { phone } : {}) }));
  const [alice, bob, carol] = [await open(), await open(), await open()];
  const phones = [await open(alice.phone), await open(bob.phone), await open(carol.phone)];
  const devices = [alice, bob, carol, ...phones];

  const group = await alice.client.groups.create("Climbing", { memberUserIds: [bob.userId, carol.userId] });
  const of = (user: TestUser) => user.client.groups.get(group.groupId);
  await Promise.all([bob, carol].map((user) => user.untilGroup(group.groupId)));
  const question = await group.send("Saturday?");
  await bob.untilReceived(1);
  const [asked] = bob.received;
  if (asked?.kind !== "text") throw new Error("no text came");
  await of(bob).reply(asked, "At six.");
  await Promise.all([of(carol).react(asked, "👍"), group.edit({ ...asked }, "Sunday?")]);
  const newest = await of(bob).send("never mind");
  await of(bob).delete({ senderUserId: bob.userId, clientMessageId: newest.clientMessageId });

  const expected = ["(created)", "Sunday?", "At six.", "(deleted)"];
  for (const device of devices) {
    await device.untilShows(of(device), expected);
    const [, first, second] = (await of(device).messages()).messages;
    expect(first).toMatchObject({ reactions: [{ emoji: "👍", userIds: [carol.userId] }], id: question.id });
    expect(first?.editedAtMs).not.toBeNull();
    expect(second?.content).toMatchObject({
      replyTo: { senderUserId: alice.userId, clientMessageId: question.clientMessageId },
    });
  }
  expect(await of(carol).info()).toMatchObject({ name: "Climbing", ownerUserId: alice.userId });
}, 60_000);

test("who is removed reads nothing new, who is added reads from then on", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open(server);
  await using carol = await TestUser.open(server);
  const group = await alice.client.groups.create("Two", { memberUserIds: [bob.userId] });
  const of = (user: TestUser) => user.client.groups.get(group.groupId);
  await group.send("for two");
  await bob.untilReceived(1);
  await group.addMembers([carol.userId]);
  await group.send("for three");
  await Promise.all([bob.untilReceived(2), carol.untilReceived(1)]);
  await group.removeMember(bob.userId);
  // Carol's view of the members may be the old one: the server says so, and she seals anew.
  await of(carol).send("without Bob");
  await group.rename("Pair");
  await alice.untilReceived(1);
  expect(alice.texts).toEqual(["without Bob"]);
  await bob.untilShows(of(bob), ["(created)", "for two", "(members_added)", "for three", "(member_removed)"]);
  await carol.untilShows(of(carol), [
    "(members_added)",
    "for three",
    "(member_removed)",
    "without Bob",
    "(renamed)",
  ]);
  expect((await of(carol).messages()).hasEarlier).toBe(false);
  expect(await carol.client.conversations.list()).toMatchObject([{ name: "Pair", isGroup: true }]);
  await expect(of(bob).send("still here?")).rejects.toMatchObject({ code: "GROUP_NOT_FOUND" });
  expect(await read(of(bob))).toContain("still here?");
}, 60_000);

test("invites, roles and a moderator's deletion", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open(server);
  const group = await alice.client.groups.create("Open");
  const { code } = await group.invite({ maxUses: 1 });
  expect(await bob.client.groups.previewInvite(code)).toMatchObject({ groupId: group.groupId, name: "Open" });
  const his = await bob.client.groups.acceptInvite(code);
  await his.send("something rude");
  await alice.untilReceived(1);
  const [rude] = alice.received;
  if (rude?.kind !== "text") throw new Error("no text came");
  await group.deleteMessage(rude);
  await bob.untilShows(his, ["(member_joined)", "(deleted)"]);
  await group.setRole(bob.userId, "admin");
  await group.transferOwnership(bob.userId);
  await group.leave();
  expect(await his.info()).toMatchObject({ ownerUserId: bob.userId, members: [{ role: "owner" }] });
  await his.archive();
  await expect(his.send("too late")).rejects.toMatchObject({ code: "GROUP_ARCHIVED" });
}, 60_000);

test("a group's message is delivered and read once everyone has it", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open(server);
  await using carol = await TestUser.open({ ...server, isStarted: false });
  const group = await alice.client.groups.create("Three", { memberUserIds: [bob.userId, carol.userId] });
  await group.send("everyone?");
  await bob.untilReceived(1);
  const state = async () => (await group.messages({ limit: 1 })).messages[0];
  const isDelivered = async (count: number) => (await state())?.receipts?.delivered === count;
  await alice.untilAsync("Bob's receipt", () => isDelivered(1));
  expect(await state()).toMatchObject({ state: "sent", receipts: { recipients: 2, delivered: 1, read: 0 } });
  await carol.start();
  await carol.untilReceived(1);
  await alice.untilAsync("Carol's receipt", () => isDelivered(2));
  expect(await state()).toMatchObject({ state: "delivered" });
  for (const user of [bob, carol]) await user.client.groups.get(group.groupId).markRead();
  await alice.untilAsync("read", async () => (await state())?.state === "read");
}, 60_000);

test("one reader does not count as all: on the sender's other devices, also on one that comes later", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using phone = await TestUser.open({ ...server, phone: alice.phone });
  await using bob = await TestUser.open(server);
  await using carol = await TestUser.open({ ...server, isStarted: false });
  const group = await alice.client.groups.create("Three", { memberUserIds: [bob.userId, carol.userId] });
  await group.send("everyone?");
  await bob.untilReceived(1);
  await bob.client.groups.get(group.groupId).markRead();
  const isReadBy = (device: TestUser, count: number) =>
    device.untilAsync(`read by ${count}`, async () => {
      const { messages } = await device.client.groups.get(group.groupId).messages();
      return messages.at(-1)?.receipts?.read === count;
    });
  const stateOn = async (device: TestUser) =>
    (await device.client.groups.get(group.groupId).messages()).messages.at(-1);
  for (const device of [alice, phone]) {
    await isReadBy(device, 1);
    expect(await stateOn(device)).toMatchObject({
      state: "sent",
      receipts: { recipients: 2, delivered: 1, read: 1 },
    });
  }
  await using laptop = await TestUser.open({ ...server, phone: alice.phone });
  await laptop.untilCaughtUp();
  await laptop.client.conversations.list();
  expect(await stateOn(laptop)).toMatchObject({ isOwn: true, receipts: { recipients: 2 } });
  await carol.start();
  await carol.untilReceived(1);
  await carol.client.groups.get(group.groupId).markRead();
  for (const device of [alice, phone]) {
    await isReadBy(device, 2);
    expect(await stateOn(device)).toMatchObject({ state: "read" });
  }
  await laptop.untilAsync("Carol's receipt", async () => (await stateOn(laptop))?.receipts?.read === 1);
  expect(await stateOn(laptop)).toMatchObject({ state: "sent" });
}, 60_000);

test("a device asks once for a group whose first entries come together", async () => {
  await using server = await startTestServer();
  await using proxy = await RecordingProxy.listen(server.url);
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open({ url: proxy.url });
  await bob.client.stop();
  // One of the two is applied while the other's entries come.
  const groups: Group[] = [];
  for (const name of ["one", "two"]) {
    const group = await alice.client.groups.create(name, { memberUserIds: [bob.userId] });
    for (const text of ["1", "2", "3"]) await group.send(text);
    groups.push(group);
  }
  const before = proxy.fromClients.length;
  await bob.start();
  await bob.untilReceived(6);
  for (const { groupId } of groups) {
    await bob.untilShows(bob.client.groups.get(groupId), ["(created)", "1", "2", "3"]);
    const asked = proxy.fromClients.slice(before).filter((request) => {
      const text = decodeURIComponent(request.toString().split("\n")[0] ?? "");
      return text.includes("/trpc/groups.get") && text.includes(groupId);
    });
    expect(asked.length).toBeLessThanOrEqual(1);
  }
});

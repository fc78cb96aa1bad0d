import type { SequenceEvent } from "@sotto/sdk";
import { expect, test } from "vitest";
import { Proxy } from "../proxy.ts";
import { refuseSend } from "../refuse-send.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { runSql } from "../sql.ts";
import { type TestServer, startTestServer } from "../test-server.ts";

/** What a user is told of sequences, from now on. */
function sequencesOf({ client }: TestUser): SequenceEvent[] {
  const told: SequenceEvent[] = [];
  client.on("sequence", (event) => told.push(event));
  return told;
}

/** The server's last message of a conversation, as if it had never come. */
function hide(
  { database }: TestServer,
  { id, conversationId }: { id: string; conversationId: string },
): Promise<unknown> {
  return runSql(
    database.url,
    `create table hidden as select * from messages where id = '${id}';
     delete from messages where id = '${id}';
     update conversations set last_seq = last_seq - 1 where id = '${conversationId}'`,
  );
}

test("a server that withholds a message, and gives it later in another place, is found out", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await alice.to(bob).send("1");
  await bob.untilReceived(1);
  await bob.client.stop();
  const { id, conversationId } = await alice.to(bob).send("2");
  await hide(server, { id, conversationId });
  await alice.to(bob).send("3");

  const told = sequencesOf(bob);
  const sender = { senderUserId: alice.userId, senderDeviceId: alice.me.deviceId };
  await bob.start();
  await bob.untilReceived(2);
  expect(bob.texts).toEqual(["1", "3"]);
  await bob.until("the gap", () => told.length > 0);
  expect(told).toEqual([{ type: "withheld", conversationId, ...sender, missing: 1 }]);
  expect(await bob.to(alice).withheld()).toEqual([{ ...sender, missing: 1 }]);

  await bob.client.stop();
  await runSql(
    server.database.url,
    `update conversations set last_seq = last_seq + 1 where id = '${conversationId}';
     update hidden set seq = (select last_seq from conversations where id = '${conversationId}');
     insert into messages select * from hidden`,
  );
  await bob.start();
  await bob.untilReceived(3);
  await bob.until("the order", () => told.length > 2);
  expect(told.slice(1)).toEqual([
    { type: "reordered", conversationId, ...sender, messageId: id },
    { type: "withheld", conversationId, ...sender, missing: 0 },
  ]);
  expect(await bob.to(alice).withheld()).toEqual([]);
});

test("a server that withholds a message has no excuse that nobody sees, or that names another user", async () => {
  await using server = await startTestServer();
  const { url, database } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  const group = await alice.client.groups.create("two", { memberUserIds: [bob.userId] });
  await bob.untilGroup(group.groupId);
  const changes: string[] = [];
  bob.client.on("change", ({ type }) => changes.push(type));

  /** Deletions that stand where the message stood, and before it. Bob is away when they are asked for. */
  const withhold = async (
    to: ReturnType<TestUser["to"]> | typeof group,
    excuse: () => Promise<{ messageId: string; senderUserId?: string }[]>,
  ) => {
    const before = bob.received.length;
    await to.send("1");
    await bob.untilReceived(before + 1);
    await bob.client.stop();
    const excuses = await excuse();
    const { id, conversationId } = await to.send("2");
    const events = excuses.map((one) =>
      JSON.stringify({ type: "message.deleted", conversationId, userId: alice.userId, ...one }),
    );
    await runSql(
      database.url,
      `delete from messages where id = '${id}';
       insert into conversation_entries (conversation_id, seq, at, event)
         select id, last_seq - 1 + n, now(), event
         from conversations, unnest(array[${events.map((one) => `'${one}'`).join(",")}]::jsonb[])
           with ordinality as excuse (event, n)
         where id = '${conversationId}';
       update conversations set last_seq = last_seq - 1 + ${events.length} where id = '${conversationId}'`,
    );
    await to.send("3");
    const told = bob.event("sequence");
    await bob.start();
    await bob.untilReceived(before + 2);
    return { told, conversationId };
  };
  const missed = {
    type: "withheld",
    senderUserId: alice.userId,
    senderDeviceId: alice.me.deviceId,
    missing: 1,
  };

  const inGroup = await withhold(group, async () => [
    { messageId: crypto.randomUUID() },
    { messageId: crypto.randomUUID(), senderUserId: bob.userId },
  ]);
  expect(await inGroup.told).toMatchObject({ ...missed, conversationId: group.groupId });
  const shown = ["(created)", "1", "(deleted)", "3"];
  const bobsGroup = bob.client.groups.get(group.groupId);
  await bob.untilShows(bobsGroup, shown);

  // Of a message that is another's, and comes at the same time: while the one before it is stored.
  const inHerName = await withhold(group, async () => {
    await bobsGroup.send("before");
    const { id: messageId } = await bobsGroup.send("mine");
    return [{ messageId, senderUserId: alice.userId }];
  });
  expect(await inHerName.told).toMatchObject({ ...missed, missing: 2 });
  await bob.untilShows(bobsGroup, [...shown, "1", "before", "(deleted)", "3"]);

  changes.length = 0;
  const direct = await withhold(alice.to(bob), async () => [
    { messageId: crypto.randomUUID() },
    { messageId: crypto.randomUUID(), senderUserId: alice.userId },
  ]);
  expect(await direct.told).toMatchObject({ ...missed, conversationId: direct.conversationId });
  await bob.untilShows(bob.to(alice), ["1", "3"]);
  expect(changes).toEqual([]);
}, 60_000);

test("a message that the server refused is not missed by anybody", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open(server);
  const told = sequencesOf(bob);
  await alice.to(bob).send("1");
  await bob.client.contacts.block(alice.userId);
  const clientMessageId = crypto.randomUUID();
  await expect(alice.to(bob).send("refused", { clientMessageId })).rejects.toMatchObject({
    code: "YOU_ARE_BLOCKED",
  });
  await bob.client.contacts.unblock(alice.userId);
  await alice.to(bob).send("2");
  await alice.to(bob).retry(clientMessageId);
  await bob.untilReceived(3);
  expect(bob.texts).toEqual(["1", "2", "refused"]);
  expect(await bob.to(alice).withheld()).toEqual([]);
  expect(told).toEqual([]);
});

test("nor is one that was refused when its request was repeated", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  const told = sequencesOf(bob);
  await alice.to(bob).send("1");
  await bob.client.contacts.block(alice.userId);
  const lost = proxy.loseRequestTo("/trpc/messages.send");
  const clientMessageId = crypto.randomUUID();
  const sending = alice.to(bob).send("refused", { clientMessageId });
  sending.catch(() => {});
  await lost;
  await expect(sending).rejects.toMatchObject({ code: "YOU_ARE_BLOCKED" });
  await bob.client.contacts.unblock(alice.userId);
  await alice.to(bob).send("2");
  await bob.untilReceived(2);
  expect(await bob.to(alice).withheld()).toEqual([]);
  expect(told).toEqual([]);
  // As its first request may have been stored, it keeps its number.
  await alice.to(bob).retry(clientMessageId);
  await bob.untilReceived(3);
  expect(bob.texts).toEqual(["1", "2", "refused"]);
  expect(told).toMatchObject([{ type: "reordered" }]);
});

test("nor is one that was refused, and could not be sealed anew", async () => {
  await using server = await startTestServer();
  await using alice = await TestUser.open({ ...server, isStarted: false, identityChange: "strict" });
  await using bob = await TestUser.open(server);
  await alice.to(bob).send("1");
  await bob.client.identity.reset();
  await using _phone = await TestUser.open({ ...server, phone: bob.phone });
  await expect(alice.to(bob).send("2")).rejects.toMatchObject({ code: "IDENTITY_CHANGED" });
  await alice.client.identity.safetyNumber(bob.userId);
  await alice.client.identity.confirm(bob.userId);
  await alice.to(bob).send("3");
  await bob.untilReceived(2);
  expect(bob.texts).toEqual(["1", "3"]);
  expect(await bob.to(alice).withheld()).toEqual([]);
});

test("a server that refuses a message and delivers it all the same cannot withhold the next one in its place", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url, isStarted: false });
  await using bob = await TestUser.open({ url: server.url });
  await alice.to(bob).send("1");
  const held = await refuseSend(proxy, () => alice.to(bob).send("refused"));
  held.deliverLate();
  await bob.untilReceived(2);
  await bob.client.stop();
  await hide(server, await alice.to(bob).send("withheld"));
  await alice.to(bob).send("3");
  const told = bob.event("sequence");
  await bob.start();
  expect(await told).toMatchObject({ type: "withheld", missing: 1 });
  await bob.untilReceived(3);
  expect(bob.texts).toEqual(["1", "refused", "3"]);
});

test("a message that the server refuses, delivers all the same, and takes once more is read once", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url, isStarted: false });
  await using bob = await TestUser.open({ url: server.url });
  const target = await alice.to(bob).send("1");
  await bob.untilReceived(1);

  /** Sealed twice under one id, and stored in both forms. */
  const deliverTwice = async (send: (clientMessageId: string) => Promise<unknown>) => {
    const clientMessageId = crypto.randomUUID();
    const held = await refuseSend(proxy, () => send(clientMessageId));
    const before = bob.received.length;
    held.deliverLate();
    await bob.untilReceived(before + 1);
    await runSql(server.database.url, "update messages set dedupe_key = null");
    await alice.to(bob).retry(clientMessageId);
    await bob.untilReceived(before + 2);
    expect(bob.received[before + 1]).toMatchObject({ kind: "unreadable", reason: "replayed" });
  };
  await deliverTwice((clientMessageId) => alice.to(bob).send("late", { clientMessageId }));
  expect(bob.texts).toEqual(["1", "late", "(unreadable)"]);
  await bob.untilShows(bob.to(alice), ["1", "late", "(unreadable)"]);
  await deliverTwice((clientMessageId) =>
    alice.to(bob).edit({ ...target, senderUserId: alice.userId }, "changed", { clientMessageId }),
  );
  expect(bob.texts.slice(3)).toEqual(["(edit)", "(unreadable)"]);
  await bob.untilShows(bob.to(alice), ["changed", "late", "(unreadable)"]);
});

test("what a member was away for, a moderator has deleted or a device has not lived to see is not missed", async () => {
  await using server = await startTestServer();
  const { url } = server;
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await using carol = await TestUser.open({ url });
  const told = [bob, carol].map(sequencesOf);
  const group = await alice.client.groups.create("Lighthouse", {
    memberUserIds: [bob.userId, carol.userId],
  });
  const of = (user: TestUser) => user.client.groups.get(group.groupId ?? "");
  await of(alice).send("1");
  await Promise.all([bob.untilReceived(1), carol.untilReceived(1)]);
  await of(alice).removeMember(bob.userId);
  await of(alice).send("without Bob");
  await carol.untilReceived(2);
  await carol.client.stop();
  const { clientMessageId } = await of(alice).send("deleted");
  await of(alice).deleteMessage({ senderUserId: alice.userId, clientMessageId });
  await of(alice).addMembers([bob.userId]);
  await of(alice).send("3");
  await bob.untilReceived(2);
  await carol.start();
  await carol.untilReceived(3);
  expect([bob.texts, carol.texts]).toEqual([
    ["1", "3"],
    ["1", "without Bob", "3"],
  ]);

  await using phone = await TestUser.open({ url, phone: bob.phone });
  told.push(sequencesOf(phone));
  await of(alice).send("4");
  await phone.untilReceived(1);
  await bob.client.devices.remove(phone.me.deviceId);
  await phone.until("the end", () => phone.client.status.state === "device_removed");
  await of(alice).send("without the phone");
  await phone.signIn();
  await phone.getApproved();
  await phone.start();
  await of(alice).send("6");
  await phone.until("the last one", () => phone.texts.at(-1) === "6");
  for (const user of [bob, carol, phone]) expect(await of(user).withheld()).toEqual([]);
  expect(told).toEqual([[], [], []]);
});

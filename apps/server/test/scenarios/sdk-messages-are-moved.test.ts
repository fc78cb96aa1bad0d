import { expect, test } from "vitest";
import { Proxy } from "../proxy.ts";
import { RecordingProxy } from "../recording-proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";

interface Numbered {
  log: string;
  seq: number;
  event: { type: string; message?: { id: string; conversationId: string }; [field: string]: unknown };
}

/** Frames and answers hold entries, at whatever depth. */
function mapEntries(value: unknown, change: (entry: Numbered) => Numbered): unknown {
  if (Array.isArray(value)) return value.map((one) => mapEntries(one, change));
  if (typeof value !== "object" || value === null) return value;
  if ("log" in value && "event" in value) return change(value as Numbered);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, mapEntries(one, change)]));
}

const rewriteEntries = (text: string, change: (entry: Numbered) => Numbered): string =>
  text.includes('"event"') ? JSON.stringify(mapEntries(JSON.parse(text), change)) : text;

function lieWith(proxy: RecordingProxy, change: (text: string) => string): void {
  proxy.alter = (answer) => ({ ...answer, text: change(answer.text) });
}

/** Tells the next message that comes in one log as the next entry of another. */
class Mover {
  readonly #last = new Map<string, number>();
  readonly #moved = new Set<string>();
  #next: { from: string; to: string } | undefined;

  constructor(proxy: RecordingProxy) {
    lieWith(proxy, (text) => rewriteEntries(text, (entry) => this.#change(entry)));
  }

  moveNext(from: string, to: string): void {
    this.#next = { from, to };
  }

  #change(entry: Numbered): Numbered {
    const id = entry.event.message?.id;
    if (id !== undefined && this.#next?.from === entry.log && !this.#moved.has(id)) {
      const { to } = this.#next;
      this.#next = undefined;
      this.#moved.add(id);
      return this.#count({ ...entry, log: to, seq: (this.#last.get(to) ?? 0) + 1 });
    }
    return this.#count(entry);
  }

  #count(entry: Numbered): Numbered {
    this.#last.set(entry.log, Math.max(this.#last.get(entry.log) ?? 0, entry.seq));
    return entry;
  }
}

test("a message that the server tells in the log of another conversation shows nothing there, and is read in its own", async () => {
  await using server = await startTestServer();
  await using proxy = await RecordingProxy.listen(server.url);
  const mover = new Mover(proxy);
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open({ url: proxy.url });
  const group = await alice.client.groups.create("two", { memberUserIds: [bob.userId] });
  await bob.untilGroup(group.groupId);
  const { conversationId } = await alice.to(bob).send("1");
  await bob.untilReceived(1);
  const told: unknown[] = [];
  bob.client.on("message", ({ conversationId: at, content }) => told.push([at, content]));
  const bobsGroup = bob.client.groups.get(group.groupId);

  mover.moveNext(conversationId, group.groupId);
  await alice.to(bob).send("pay 10");
  await bob.untilReceived(2);
  expect(bob.received[1]).toMatchObject({
    kind: "unreadable",
    reason: "wrong_conversation",
    conversationId: group.groupId,
    senderUserId: alice.userId,
  });
  await bob.untilShows(bobsGroup, ["(created)", "(unreadable)"]);
  expect(told).toEqual([[group.groupId, { kind: "unreadable", reason: "wrong_conversation" }]]);

  // One of this very device, which knows what it said: that is not for it to read.
  mover.moveNext(conversationId, group.groupId);
  await bob.to(alice).send("mine");
  await bob.untilShows(bobsGroup, ["(created)", "(unreadable)", "(unreadable)"]);

  // The account's log has no timeline.
  mover.moveNext(conversationId, bob.userId);
  await alice.to(bob).send("pay 20");
  await bob.untilReceived(3);
  expect(bob.received[2]).toMatchObject({ kind: "unreadable", reason: "wrong_conversation" });
  expect((await bob.client.conversations.list()).map(({ id }) => id).toSorted()).toEqual(
    [conversationId, group.groupId].toSorted(),
  );

  await alice.to(bob).send("2");
  await bob.untilShows(bob.to(alice), ["1", "pay 10", "mine", "pay 20", "2"]);
  expect(bob.texts).toEqual(["1", "(unreadable)", "(unreadable)", "pay 10", "pay 20", "2"]);
  expect(await bob.to(alice).withheld()).toEqual([]);
  expect(await bobsGroup.withheld()).toEqual([]);
}, 60_000);

test("so it is with what a new device asks for of the past", async () => {
  await using server = await startTestServer();
  await using proxy = await RecordingProxy.listen(server.url);
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open(server);
  const group = await alice.client.groups.create("two", { memberUserIds: [bob.userId] });
  const { id } = await group.send("in the group");
  const { conversationId } = await alice.to(bob).send("pay 10");
  await bob.untilReceived(2);
  const rename = (entry: Numbered): Numbered => {
    const { message, ...event } = entry.event;
    if (message?.id !== id) return entry;
    return { ...entry, event: { ...event, message: { ...message, conversationId } } };
  };
  lieWith(proxy, (text) => rewriteEntries(text, rename));
  await using laptop = await TestUser.open({ url: proxy.url, phone: bob.phone });
  await laptop.untilCaughtUp();
  await laptop.client.conversations.list();
  const { messages } = await laptop.client.groups.get(group.groupId).messages();
  expect(messages.map(({ content }) => content)).toMatchObject([
    { kind: "group", action: "created" },
    { kind: "unreadable", reason: "wrong_conversation" },
  ]);
});

test("a conversation that is known as another's is not taken for the one with a user", async () => {
  await using server = await startTestServer();
  await using proxy = await RecordingProxy.listen(server.url);
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open({ url: proxy.url });
  await using carol = await TestUser.open(server);
  const group = await alice.client.groups.create("two", { memberUserIds: [bob.userId] });
  await bob.untilGroup(group.groupId);
  const { conversationId } = await bob.to(alice).send("to Alice");
  const answers = [group.groupId, conversationId];
  lieWith(proxy, (text) => text.replace(/"id":"[^"]+"(?=[^}]*"userA")/, `"id":"${answers[0]}"`));
  while (answers.length > 0) {
    await expect(bob.to(carol).send("to Carol")).rejects.toMatchObject({ code: "BAD_ANSWER" });
    answers.shift();
  }
  proxy.alter = undefined;
  await bob.to(carol).send("to Carol");
  await carol.untilReceived(1);
});

test("a conversation that its peer's message has made known meanwhile is taken", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open({ url: proxy.url });
  const opening = proxy.holdRequestTo("conversations.open");
  const sending = bob.to(alice).send("second");
  await opening.arrived;
  await alice.to(bob).send("first");
  await bob.untilReceived(1);
  opening.release();
  await opening.giveAnswer();
  await sending;
  await bob.untilShows(bob.to(alice), ["first", "second"]);
});

const firstAs = (entry: Numbered, event: Record<string, unknown>): Numbered =>
  entry.seq > 1 ? entry : { ...entry, event: { ...entry.event, ...event } };

test("the first entry of a conversation that this user has begun does not say with whom it is", async () => {
  await using server = await startTestServer();
  await using proxy = await RecordingProxy.listen(server.url);
  await using bob = await TestUser.open(server);

  /** Alice writes to Carol, who answers, and is told a changed log; it shows these lines. */
  const begin = async (change: (entry: Numbered) => Numbered, lines: string[]): Promise<void> => {
    await using alice = await TestUser.open({ url: proxy.url });
    await using carol = await TestUser.open(server);
    const isOfLog = ({ log }: Numbered) => log !== alice.userId;
    proxy.alter = ({ path, status, text }) => {
      // Nobody says which one is Bob's.
      if (path.includes("conversations.open") && text.includes(bob.userId)) {
        const error = { message: "", code: -32600, data: { sotto: { code: "YOU_ARE_BLOCKED" } } };
        return { path, status: 403, text: JSON.stringify({ error }) };
      }
      return { path, status, text: rewriteEntries(text, (one) => (isOfLog(one) ? change(one) : one)) };
    };
    const { conversationId: id } = await alice.to(carol).send("to Carol");
    for (const n of [1, 2]) {
      await carol.to(alice).send(String(n));
      await alice.untilReceived(n);
    }
    expect(await alice.client.conversations.list()).toMatchObject([
      { id, peerUserId: carol.userId, isGroup: false },
    ]);
    await (await alice.client.conversations.get(id))?.send("for Carol alone");
    await carol.until("the answer", () => carol.texts.at(-1) === "for Carol alone");
    await carol.to(alice).send("3");
    await alice.untilShows(alice.to(carol), lines);
  };

  await begin(
    (entry) => firstAs(entry, { message: { ...entry.event.message, recipientUserId: bob.userId } }),
    ["to Carol", "1", "2", "for Carol alone", "3"],
  );
  await begin(
    (entry) => firstAs(entry, { message: { ...entry.event.message, senderUserId: bob.userId } }),
    ["(unreadable)", "1", "2", "for Carol alone", "3", "to Carol"],
  );
  const group = { type: "group.changed", action: "created", actorUserId: bob.userId };
  let second: Numbered["event"]["message"];
  await begin(
    (entry) => {
      const conversationId = entry.log;
      if (entry.seq === 2) second = entry.event.message;
      if (entry.seq !== 4) return firstAs(entry, { ...group, conversationId });
      const deletion = { type: "message.deleted", conversationId, messageId: second?.id, userId: bob.userId };
      return { ...entry, event: deletion };
    },
    ["(created)", "1", "2", "3", "to Carol", "for Carol alone"],
  );
}, 60_000);

test("nor does it where the user begins the conversation meanwhile", async () => {
  await using server = await startTestServer();
  await using proxy = await RecordingProxy.listen(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using carol = await TestUser.open(server);
  const [asked, begun] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  proxy.alter = async (answer) => {
    if (answer.path.includes("groups.get")) {
      asked.resolve();
      await begun.promise;
    }
    const text = rewriteEntries(answer.text, ({ log, seq, event, ...rest }) => {
      const changed = {
        type: "group.changed",
        conversationId: log,
        action: "created",
        actorUserId: carol.userId,
      };
      return { ...rest, log, seq, event: log !== alice.userId && seq === 1 ? changed : event };
    });
    return { ...answer, text };
  };
  await carol.to(alice).send("1");
  await asked.promise;
  const { conversationId: id } = await alice.to(carol).send("to Carol");
  begun.resolve();
  await alice.untilShows(alice.to(carol), ["(created)", "to Carol"]);
  expect(await alice.client.conversations.list()).toMatchObject([{ id, peerUserId: carol.userId }]);
}, 60_000);

test("a message whose place another one was given before is missed, until it comes in a place of its own", async () => {
  await using server = await startTestServer();
  await using proxy = await RecordingProxy.listen(server.url);
  await using alice = await TestUser.open(server);
  await using bob = await TestUser.open({ url: proxy.url, isStarted: false });
  await alice.to(bob).send("1");
  const { id, conversationId } = await alice.to(bob).send("2");
  const lie = { id: crypto.randomUUID(), conversationId, ciphertext: "lie" };
  const other = ({ event, ...entry }: Numbered): Numbered => ({
    ...entry,
    event: entry.seq === 1 ? event : { ...event, message: { ...event.message, ...lie } },
  });
  // As if the stream had been there before.
  lieWith(proxy, (text) => rewriteEntries(text.replace('"position":0', '"position":2'), other));
  await bob.client.conversations.list();
  await bob.to(alice).messages();
  proxy.alter = undefined;

  const told: unknown[] = [];
  bob.client.on("sequence", ({ type }) => told.push(type));
  await bob.start();
  await bob.untilReceived(1);
  await alice.to(bob).send("3");
  await bob.until("the last one", () => bob.texts.at(-1) === "3");
  expect(bob.texts).toEqual(["1", "3"]);
  await bob.untilShows(bob.to(alice), ["1", "(opaque)", "3"]);
  expect(told).toEqual(["withheld"]);
  expect(await bob.to(alice).withheld()).toMatchObject([{ senderUserId: alice.userId, missing: 1 }]);

  await bob.client.stop();
  await runSql(
    server.database.url,
    `update messages set seq = 4 where id = '${id}';
     update conversations set last_seq = 4 where id = '${conversationId}'`,
  );
  await bob.start();
  await bob.untilReceived(3);
  await bob.untilShows(bob.to(alice), ["1", "(opaque)", "3", "2"]);
  expect(await bob.to(alice).withheld()).toEqual([]);
});

test("a conversation with a user is not given as a new group", async () => {
  await using server = await startTestServer();
  await using proxy = await RecordingProxy.listen(server.url);
  await using alice = await TestUser.open({ url: proxy.url, isStarted: false });
  await using bob = await TestUser.open({ url: server.url });
  const { conversationId } = await alice.to(bob).send("1");
  const { groups, conversations } = alice.client;
  proxy.alter = (answer) =>
    answer.path.includes("groups.create")
      ? { ...answer, text: answer.text.replaceAll(/"id":"[^"]+"/g, `"id":"${conversationId}"`) }
      : answer;
  await expect(groups.create("two", { memberUserIds: [bob.userId] })).rejects.toMatchObject({
    code: "BAD_ANSWER",
  });
  await alice.client.start();
  await alice.untilShows(alice.to(bob), ["1"]);
  const listed = await conversations.list();
  expect(listed).not.toContainEqual(expect.objectContaining({ id: conversationId, isGroup: true }));
});

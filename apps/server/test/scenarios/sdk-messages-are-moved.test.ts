import { expect, test } from "vitest";
import { Proxy } from "../proxy.ts";
import { RecordingProxy } from "../recording-proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

interface Numbered {
  log: string;
  seq: number;
  event: { type: string; message?: { id: string; conversationId: string } };
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

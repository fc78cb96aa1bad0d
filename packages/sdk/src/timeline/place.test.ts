import type { MessageId, UserId } from "@sotto/schema";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { KnownPayload } from "../crypto/payload.ts";
import { Draft } from "../storage/draft.ts";
import { memoryStore } from "../storage/memory-store.ts";
import type { Store } from "../storage/store.ts";
import { Placing } from "./place.ts";
import { conversationRecord, messageRecord, orphanRecord } from "./records.ts";
import { readPage, searchTimeline, summarize } from "./read-timeline.ts";
import {
  alice,
  arrive,
  begin,
  bob,
  clientId,
  conversation,
  elsewhere,
  me,
  said,
  sealedElsewhere,
  timeOf,
} from "./timeline-fixtures.ts";

const users = [alice, bob];
const place = { to: { kind: "direct" as const, peerUserId: alice }, conversationId: conversation };
const text = (words: string, sentAtMs = 1): KnownPayload => ({ kind: "text", text: words, sentAtMs });

async function show(store: Store) {
  return readPage({ store, me }, place, { before: undefined, limit: 100 });
}
const contents = async (store: Store) => (await show(store)).map(({ content }) => content);

/** Three texts, and what both users do to them: their own and each other's. */
const change = fc
  .record({
    by: fc.constantFrom(...users),
    target: fc.integer({ min: 1, max: 3 }),
    author: fc.constantFrom(...users),
    sentAtMs: fc.integer({ min: 1, max: 4 }),
    kind: fc.constantFrom("edit", "reaction", "deletion"),
    emoji: fc.constantFrom("👍", "🎉"),
    isRemoved: fc.boolean(),
  })
  .map(({ by, target, author, sentAtMs, kind, emoji, isRemoved }) => {
    const named = clientId(target);
    const payload: KnownPayload =
      kind === "edit"
        ? { kind, target: named, text: `edited by ${by} ${sentAtMs}`, sentAtMs }
        : kind === "deletion"
          ? { kind, target: named, sentAtMs }
          : {
              kind: "reaction",
              target: { senderUserId: author, clientMessageId: named },
              emoji,
              isRemoved,
              sentAtMs,
            };
    return { by, payload };
  });

test("any order of arrival gives the same timeline, count and index", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { maxLength: 8 }),
      fc.infiniteStream(fc.nat()),
      async (changes, random) => {
        const texts = [1, 2, 3].map((n) => said(n === 2 ? bob : alice, n, text(`text ${n}`)));
        const log = [...texts, ...changes.map(({ by, payload }, at) => said(by, at + 4, payload))].map(
          (message, at) => [at + 1, message] as const,
        );
        const shuffled = log
          .map((one) => ({ one, key: random.next().value }))
          .toSorted((a, b) => a.key - b.key)
          .map(({ one }) => one);
        const [inOrder, another] = [memoryStore(), memoryStore()];
        for (const store of [inOrder, another]) await begin(store);
        await arrive(inOrder, log);
        for (const one of shuffled) await arrive(another, [one]);
        expect(await show(another)).toEqual(await show(inOrder));
        expect(await summarize({ store: another, me }, conversation)).toEqual(
          await summarize({ store: inOrder, me }, conversation),
        );
        for (const query of ["text", "edited"]) {
          const [one, other] = await Promise.all(
            [inOrder, another].map((store) =>
              searchTimeline({ store, me }, conversation, { query, beforeSeq: undefined, limit: 10 }),
            ),
          );
          expect(other).toEqual(one);
        }
      },
    ),
    { numRuns: 150 },
  );
});

test("only its author edits or deletes a message", async () => {
  const store = memoryStore();
  await begin(store);
  await arrive(store, [
    [1, said(alice, 1, text("mine"))],
    [2, said(bob, 2, { kind: "edit", target: clientId(1), text: "his", sentAtMs: 5 })],
    [3, said(bob, 3, { kind: "deletion", target: clientId(1), sentAtMs: 5 })],
  ]);
  expect(await contents(store)).toMatchObject([{ kind: "text", text: "mine" }]);
});

test("nothing stays of what was deleted, also of what came after", async () => {
  const store = memoryStore();
  await begin(store);
  await arrive(store, [
    [1, said(alice, 1, text("secretword"))],
    [2, said(alice, 2, { kind: "edit", target: clientId(1), text: "othersecret", sentAtMs: 5 })],
    [3, said(alice, 3, { kind: "deletion", target: clientId(1), sentAtMs: 6 })],
    [4, said(alice, 4, { kind: "edit", target: clientId(1), text: "latersecret", sentAtMs: 7 })],
  ]);
  expect(await contents(store)).toEqual([{ kind: "deleted", by: "author", userId: alice }]);
  expect(JSON.stringify(await store.list(""))).not.toContain("secret");
  expect(await summarize({ store, me }, conversation)).toMatchObject({ unreadCount: 0 });
});

/** The server's word that a moderator has deleted a message. */
async function moderate(store: Store, seq: number, message: { id: MessageId; senderUserId?: UserId }) {
  const { id: messageId, senderUserId } = message;
  const draft = new Draft(store);
  await new Placing(draft, { source: "stream", me }).told(
    { type: "message.deleted", conversationId: conversation, messageId, userId: bob, senderUserId },
    { conversationId: conversation, seq, at: timeOf(seq) },
  );
  await store.commit(draft.writes);
}

test("a moderator's deletion is the server's to tell, before the message or after it", async () => {
  for (const isBefore of [true, false]) {
    const store = memoryStore();
    await begin(store, null);
    const message = said(alice, 1, text("rude"));
    if (!isBefore) await arrive(store, [[1, message]]);
    await moderate(store, 2, { id: message.id });
    if (isBefore) await arrive(store, [[1, message]], "past");
    expect(await contents(store)).toEqual([{ kind: "deleted", by: "moderator", userId: bob }]);
  }
});

test("a direct conversation has no moderator, whatever the server tells", async () => {
  const store = memoryStore();
  await begin(store);
  const [first, second] = [1, 2].map((n) => said(alice, n, text(`text ${n}`)));
  if (!first || !second) throw new Error("two were made");
  await arrive(store, [[1, first]]);
  await moderate(store, 2, { id: first.id });
  await moderate(store, 3, { id: second.id });
  await moderate(store, 4, second);
  await arrive(store, [[5, second]]);
  expect(await contents(store)).toMatchObject([{ text: "text 1" }, { text: "text 2" }]);
});

test("what the server tells of a group does not take the place of a message", async () => {
  const store = memoryStore();
  await begin(store);
  await arrive(store, [[1, said(alice, 1, text("kept"))]], "past");
  const draft = new Draft(store);
  await new Placing(draft, { source: "stream", me }).told(
    { type: "group.changed", conversationId: conversation, action: "created", actorUserId: alice },
    { conversationId: conversation, seq: 1, at: timeOf(1) },
  );
  await store.commit(draft.writes);
  expect(await contents(store)).toMatchObject([{ kind: "text", text: "kept" }]);
});

test("a message that was deleted before this device saw it has its line; one that it has has no other", async () => {
  const store = memoryStore();
  await begin(store, null);
  await arrive(store, [[1, said(alice, 1, text("seen"))]]);
  const [seen, unseen] = [said(alice, 1, text("")), said(alice, 2, text(""))];
  await moderate(store, 2, unseen);
  await moderate(store, 3, seen);
  await moderate(store, 4, { id: unseen.id });
  const content = { kind: "deleted", by: "moderator", userId: bob };
  expect(await show(store)).toMatchObject([
    { seq: 1, id: seen.id, content },
    { seq: 2, id: unseen.id, senderUserId: alice, isOwn: false, state: "received", content },
  ]);
  expect(await summarize({ store, me }, conversation)).toMatchObject({ unreadCount: 0 });
});

const placeOf = (seq: number) => ({ conversationId: conversation, seq, at: timeOf(seq) });

/** Takes in, as a history, what another store shows of one place. */
async function restore(store: Store, from: Store, seq: number): Promise<void> {
  const line = await messageRecord.get(from, conversation, seq);
  if (!line) throw new Error("there is no line");
  const draft = new Draft(store);
  const placing = new Placing(draft, { source: "past", me });
  await placing.restored({ ...line, isUnread: false }, { conversationId: conversation, seq });
  await store.commit(draft.writes);
}

test("a history that comes after what was done to its messages gives the timeline of whoever was there", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { maxLength: 8 }),
      fc.nat({ max: 8 }),
      fc.boolean(),
      async (changes, exportedAfter, isKnown) => {
        const texts = [1, 2, 3].map((n) => [n, said(n === 2 ? bob : alice, n, text(`text ${n}`))] as const);
        const later = changes.map(({ by, payload }, at) => [at + 4, said(by, at + 4, payload)] as const);
        const [there, away] = [memoryStore(), memoryStore()];
        for (const store of [there, away]) await begin(store);
        await arrive(there, texts);
        if (isKnown) await arrive(away, [[1, sealedElsewhere(said(alice, 1, text("")))]]);
        await arrive(there, later.slice(0, exportedAfter));
        const exported = memoryStore();
        await exported.commit(await there.list(""));
        await arrive(there, later.slice(exportedAfter));
        await arrive(away, later);
        for (const [seq] of texts) await restore(away, exported, seq);
        expect(await show(away)).toEqual(await show(there));
        for (const query of ["text", "edited"]) {
          const page = { query, beforeSeq: undefined, limit: 10 };
          expect(await searchTimeline({ store: away, me }, conversation, page)).toEqual(
            await searchTimeline({ store: there, me }, conversation, page),
          );
        }
        expect(await orphanRecord.list(away)).toEqual(await orphanRecord.list(there));
        const lines = await messageRecord.list(away, [conversation]);
        expect(await conversationRecord.get(away, conversation)).toMatchObject({
          unreadCount: lines.filter(({ value }) => value.isUnread).length,
          lastSeq: 3,
        });
      },
    ),
    { numRuns: 150 },
  );
});

test("a history brings nothing back that is deleted here, wherever its line is", async () => {
  const exported = memoryStore();
  await begin(exported, null);
  const [first, second] = [1, 2].map((n) => said(alice, n, text("marked secret")));
  if (!first || !second) throw new Error("two were made");
  await arrive(exported, [
    [1, first],
    [2, second],
  ]);
  const store = memoryStore();
  await begin(store, null);
  const draft = new Draft(store);
  const placing = new Placing(draft, { source: "stream", me });
  const named = { type: "message.deleted", conversationId: conversation, userId: bob } as const;
  // Of the one the server says who sent it: it has its line where it was deleted.
  await placing.told({ ...named, messageId: first.id, senderUserId: alice }, placeOf(3));
  await placing.told({ ...named, messageId: second.id }, placeOf(4));
  await store.commit(draft.writes);
  for (const seq of [1, 2, 2]) await restore(store, exported, seq);
  const content = { kind: "deleted", by: "moderator", userId: bob };
  expect(await show(store)).toMatchObject([
    { seq: 2, content },
    { seq: 3, content },
  ]);
  expect(JSON.stringify(await store.list(""))).not.toContain("secret");
});

test("who had one's own message before the history came is counted", async () => {
  const [exported, store] = [memoryStore(), memoryStore()];
  for (const one of [exported, store]) await begin(one);
  const message = said(bob, 1, text("mine"));
  await arrive(exported, [[1, message]]);
  const draft = new Draft(store);
  const placing = new Placing(draft, { source: "stream", me });
  for (const kind of ["delivered", "read"] as const) await placing.receipt(message.id, kind, alice);
  await store.commit(draft.writes);
  await restore(store, exported, 1);
  expect(await show(store)).toMatchObject([{ state: "read", receipts: { delivered: 1, read: 1 } }]);
});

test("an old message that is shown anew is not accepted, in what is asked for of the past too", async () => {
  const store = memoryStore();
  await begin(store);
  const message = said(alice, 1, text("pay 10"));
  await arrive(store, [[1, message]]);
  await arrive(
    store,
    [[2, { ...said(alice, 2, text("pay 10")), clientMessageId: message.clientMessageId }]],
    "past",
  );
  expect(await contents(store)).toMatchObject([{ kind: "text" }, { kind: "unreadable", reason: "replayed" }]);
});

test("what is deleted in a group takes nothing from a message of another conversation with its id", async () => {
  const store = memoryStore();
  await begin(store, null);
  const message = said(alice, 1, text("kept"));
  const placing = new Placing(new Draft(store), { source: "stream", me });
  const named = { type: "message.deleted", conversationId: conversation, messageId: message.id } as const;
  const at = { conversationId: conversation, seq: 1, at: timeOf(1) };
  await placing.told({ ...named, userId: bob, senderUserId: alice }, at);
  expect(placing.isDeleted(message)).toBe(true);
  expect(placing.isDeleted({ ...message, conversationId: elsewhere })).toBe(false);
});

test("a line that cannot be read does not take the id of another message", async () => {
  const store = memoryStore();
  await begin(store);
  const mine = said(bob, 1, text("mine"));
  await arrive(store, [[1, mine]]);
  const draft = new Draft(store);
  const placing = new Placing(draft, { source: "stream", me });
  const { id, senderUserId, senderDeviceId, sentAt, isOwn } = mine;
  const moved = { id, conversationId: elsewhere, senderUserId, senderDeviceId, sentAt, isOwn };
  const at = { conversationId: elsewhere, seq: 2, at: timeOf(2) };
  await placing.message({ ...moved, kind: "unreadable", reason: "wrong_conversation" }, at);
  await placing.receipt(id, "read", alice);
  await store.commit(draft.writes);
  expect(await show(store)).toMatchObject([{ id, state: "read" }]);
});

test("an old edit that is shown anew does not bring its text back", async () => {
  const store = memoryStore();
  await begin(store);
  const [first, second] = [2, 3].map((n) =>
    said(alice, n, { kind: "edit", target: clientId(1), text: `edit ${n}`, sentAtMs: n }),
  );
  if (!first || !second) throw new Error("two were made");
  await arrive(
    store,
    [
      [1, said(alice, 1, text("first"))],
      [2, first],
      [3, second],
      [4, first],
    ],
    "past",
  );
  expect(await contents(store)).toMatchObject([{ text: "edit 3" }]);
});

test("the search finds what is shown: beginnings, every word, newest first, page by page", async () => {
  const store = memoryStore();
  await begin(store);
  const texts = [
    "The harbour at six",
    "harbours are cold",
    "at the HÁRBOUR again",
    "nothing",
    "harbour café",
  ];
  await arrive(
    store,
    texts.map((words, at) => [at * 50 + 1, said(alice, at + 1, text(words))] as const),
  );
  await arrive(store, [
    [300, said(alice, 300, { kind: "edit", target: clientId(4), text: "a harbour", sentAtMs: 2 })],
  ]);
  const find = async (query: string, limit = 10, beforeSeq?: number) =>
    (await searchTimeline({ store, me }, conversation, { query, beforeSeq, limit })).map(({ seq }) => seq);
  expect(await find("harb")).toEqual([201, 151, 101, 51, 1]);
  expect(await find("harbour ")).toEqual([201, 151, 101, 1]);
  expect(await find("harbour at")).toEqual([101, 1]);
  expect(await find("CAFE")).toEqual([201]);
  expect(await find("nothing")).toEqual([]);
  expect(await find("harb", 2)).toEqual([201, 151]);
  expect(await find("harb", 2, 151)).toEqual([101, 51]);
  expect(await find("!!")).toEqual([]);
});

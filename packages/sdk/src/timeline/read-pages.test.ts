/** A timeline is read back page by page, with lines that are sent and lines that are not. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Conversation, createConversation } from "../conversation.ts";
import { OutgoingQueue } from "../messages/outgoing-queue.ts";
import { directRecord } from "../messages/participants.ts";
import { memoryStore } from "../storage/memory-store.ts";
import type { Store } from "../storage/store.ts";
import { LocalTurns } from "../turns.ts";
import type { Message } from "./message.ts";
import { openOffline } from "./offline-fixtures.ts";
import { conversationRecord } from "./records.ts";
import { alice, arrive, begin, bob, clientId, conversation as id, said } from "./timeline-fixtures.ts";

const to = { kind: "direct" as const, peerUserId: alice };
const unsentId = (n: number) => clientId(1_000_000 + n);

const openConversation = async (store: Store): Promise<Conversation> =>
  createConversation(to, await openOffline(store));

/** So many lines that have their places, some of them Bob's own, all that there are. */
async function place(store: Store, count: number): Promise<void> {
  await begin(store);
  await store.commit([directRecord.put([alice], id)]);
  await arrive(
    store,
    Array.from({ length: count }, (_, at) => {
      const payload = { kind: "text" as const, text: `placed ${at}`, sentAtMs: 1 };
      return [at + 1, said(at % 3 === 0 ? bob : alice, at + 1, payload)] as const;
    }),
  );
}

/** Lines that wait or have failed; reactions among them, which are no lines. */
async function queue(store: Store, states: readonly string[]): Promise<void> {
  const outgoing = new OutgoingQueue(store, new LocalTurns());
  const target = { senderUserId: alice, clientMessageId: clientId(2) };
  for (const [at, state] of states.entries()) {
    const payload =
      state === "reaction"
        ? { kind: "reaction" as const, target, emoji: "👍", isRemoved: false, sentAtMs: at }
        : { kind: "text" as const, text: `unsent ${at}`, sentAtMs: at };
    await outgoing.add(unsentId(at), { destination: to, payload });
    if (state === "failed") await outgoing.fail(unsentId(at), "RECIPIENT_NOT_FOUND");
  }
}

/** As `messages` is documented. A loop that does not end is cut off. */
async function readAll(conversation: Conversation, limit: number): Promise<Message[]> {
  let page = await conversation.messages({ limit });
  const all = [...page.messages];
  for (let pages = 1; page.hasEarlier; pages++) {
    if (pages > 100) throw new Error("it goes on and on");
    page = await conversation.messages({ before: page.messages[0], limit });
    all.unshift(...page.messages);
  }
  return all;
}

const textOf = ({ content }: Message) => (content.kind === "text" ? content.text : content.kind);

test("whatever is sent and whatever is not, reading back gives each line once, in order, and ends", async () => {
  const state = fc.constantFrom("queued", "failed", "reaction");
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        placed: fc.option(fc.nat(20), { nil: undefined }),
        states: fc.array(state, { maxLength: 12 }),
        limit: fc.integer({ min: 1, max: 15 }),
      }),
      async ({ placed, states, limit }) => {
        const store = memoryStore();
        // Undefined: the server has not made the conversation yet.
        if (placed !== undefined) await place(store, placed);
        await queue(store, states);
        const lines = await readAll(await openConversation(store), limit);
        expect(lines.map((line) => textOf(line))).toEqual([
          ...Array.from({ length: placed ?? 0 }, (_, at) => `placed ${at}`),
          ...states.flatMap((one, at) => (one === "reaction" ? [] : [`unsent ${at}`])),
        ]);
      },
    ),
    { numRuns: 60 },
  );
});

test("a line that was sent or taken back meanwhile still says where the next page begins", async () => {
  const store = memoryStore();
  await place(store, 3);
  await queue(store, ["queued", "queued"]);
  const conversation = await openConversation(store);
  const [first, second] = (await conversation.messages({ limit: 2 })).messages;
  const payload = { kind: "text" as const, text: "unsent 0", sentAtMs: 0 };
  await arrive(store, [[4, { ...said(bob, 4, payload), clientMessageId: unsentId(0) }]]);
  const before = async (line: Message | undefined) =>
    (await conversation.messages({ before: line, limit: 2 })).messages.map((one) => textOf(one));
  expect(await before(first)).toEqual(["placed 1", "placed 2"]);
  await new OutgoingQueue(store, new LocalTurns()).cancel(unsentId(1));
  expect(await before(second)).toEqual(["placed 2", "unsent 0"]);
});

test("where the rest is on a server that is away, reading back ends with an error, and not with empty pages", async () => {
  const store = memoryStore();
  await place(store, 3);
  const known = await conversationRecord.get(store, id);
  if (!known) throw new Error("no conversation");
  await store.commit([conversationRecord.put([id], { ...known, floor: 5, start: 0 })]);
  const conversation = await openConversation(store);
  expect(await conversation.messages()).toMatchObject({ messages: { length: 3 }, hasEarlier: true });
  await expect(readAll(conversation, 10)).rejects.toMatchObject({ code: "NETWORK" });
});

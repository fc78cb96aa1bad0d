import { expect, test } from "vitest";
import { directRecord } from "../messages/participants.ts";
import { Draft } from "../storage/draft.ts";
import { memoryStore } from "../storage/memory-store.ts";
import type { Store } from "../storage/store.ts";
import { newConversation } from "./identify-conversation.ts";
import { addConversation } from "./load-conversations.ts";
import { conversationRecord } from "./records.ts";
import { alice, arrive, bob, conversation, elsewhere, said, timeOf } from "./timeline-fixtures.ts";

async function add(store: Store, known: { peerUserId: typeof alice | null; name: string | null }) {
  const draft = new Draft(store);
  const isTaken = await addConversation(draft, { id: conversation, lastMessageAt: timeOf(1), ...known });
  await store.commit(draft.writes);
  if (!isTaken) return "refused";
  return conversationRecord.get(store, conversation);
}

test("a conversation that is made reaches as far as the lines that are there", async () => {
  const store = memoryStore();
  await arrive(store, [[7, said(alice, 7, { kind: "text", text: "text", sentAtMs: 1 })]], "past");
  expect(await add(store, { peerUserId: alice, name: null })).toMatchObject({
    peerUserId: alice,
    lastSeq: 7,
    lastMessageAt: timeOf(1),
    floor: null,
  });
  expect(await directRecord.get(store, alice)).toBe(conversation);
});

test("what is known of a conversation stays, but for a name that was not", async () => {
  const store = memoryStore();
  const present = { ...newConversation({ peerUserId: null }, 3), lastSeq: 9, lastMessageAt: timeOf(9) };
  await store.commit([conversationRecord.put([conversation], present)]);
  expect(await add(store, { peerUserId: null, name: "Lighthouse" })).toEqual({
    ...present,
    name: "Lighthouse",
  });
  expect(await add(store, { peerUserId: null, name: "Earlier" })).toEqual({
    ...present,
    name: "Lighthouse",
  });
});

test("a conversation that is known as another's is not taken for the one with a user, nor for a group", async () => {
  const others = memoryStore();
  await others.commit([directRecord.put([bob], conversation)]);
  expect(await add(others, { peerUserId: alice, name: null })).toBe("refused");
  expect(await add(others, { peerUserId: null, name: "Lighthouse" })).toBe("refused");
  expect(await directRecord.get(others, alice)).toBeUndefined();
  expect(await conversationRecord.get(others, conversation)).toBeUndefined();

  for (const [peerUserId, claimed] of [
    [bob, alice],
    [null, alice],
    [bob, null],
  ] as const) {
    const store = memoryStore();
    const present = newConversation({ peerUserId }, 3);
    await store.commit([conversationRecord.put([conversation], present)]);
    expect(await add(store, { peerUserId: claimed, name: "Claimed" })).toBe("refused");
    expect(await conversationRecord.get(store, conversation)).toEqual(present);
  }

  const own = memoryStore();
  await own.commit([directRecord.put([alice], elsewhere)]);
  await add(own, { peerUserId: alice, name: null });
  expect(await directRecord.get(own, alice)).toBe(elsewhere);
});

import { expect, test } from "vitest";
import { createConversation } from "../conversation.ts";
import { OutgoingQueue } from "../messages/outgoing-queue.ts";
import { directRecord } from "../messages/participants.ts";
import { memoryStore } from "../storage/memory-store.ts";
import { LocalTurns } from "../turns.ts";
import { openOffline } from "./offline-fixtures.ts";
import { alice, arrive, begin, bob, clientId, conversation as id, said } from "./timeline-fixtures.ts";

const to = { kind: "direct" as const, peerUserId: alice };
const text = (words: string) => ({ kind: "text" as const, text: words, sentAtMs: 1 });

test("a line that was sent since it was seen counts where it stands, one that is not sent yet after all", async () => {
  const store = memoryStore();
  await begin(store);
  await store.commit([directRecord.put([alice], id)]);
  const conversation = createConversation(to, await openOffline(store));
  await new OutgoingQueue(store, new LocalTurns()).add(clientId(2), {
    destination: to,
    payload: text("mine"),
  });
  await arrive(store, [[1, said(alice, 1, text("before"))]]);
  const [, unsent] = (await conversation.messages({ limit: 2 })).messages;
  expect(unsent).toMatchObject({ seq: null });
  await arrive(store, [
    [2, said(bob, 2, text("mine"))],
    [3, said(alice, 3, text("after"))],
  ]);
  // The senders cannot be told.
  const markRead = (line: typeof unsent) =>
    expect(conversation.markRead(line)).rejects.toMatchObject({ code: "NETWORK" });
  await markRead(unsent);
  expect(await conversation.summary()).toMatchObject({ unreadCount: 1 });
  await new OutgoingQueue(store, new LocalTurns()).add(clientId(4), {
    destination: to,
    payload: text("more"),
  });
  await markRead((await conversation.messages({ limit: 1 })).messages[0]);
  expect(await conversation.summary()).toMatchObject({ unreadCount: 0 });
});

/** What is searched in all conversations, a page at a time. */
import { conversationId, userId } from "@sotto/schema";
import { expect, test } from "vitest";
import { createConversation } from "../conversation.ts";
import { createConversations } from "../conversations.ts";
import { directRecord } from "../messages/participants.ts";
import { Draft } from "../storage/draft.ts";
import { memoryStore } from "../storage/memory-store.ts";
import type { Store } from "../storage/store.ts";
import { newConversation } from "./identify-conversation.ts";
import type { Message } from "./message.ts";
import { openOffline } from "./offline-fixtures.ts";
import { Placing } from "./place.ts";
import { conversationRecord } from "./records.ts";
import { alice, me, said, timeOf } from "./timeline-fixtures.ts";

const ids = ["1", "2", "3"].map((end) => conversationId.parse(`0197a2f0-0001-7000-8000-00000000000${end}`));
const peers = [alice, ...["8", "9"].map((end) => userId.parse(`0197a2f0-0002-7000-8000-00000000000${end}`))];

/** Three conversations, in each the same at the same times, two of them at one time. */
async function fill(store: Store): Promise<void> {
  const draft = new Draft(store);
  const placing = new Placing(draft, { source: "stream", me });
  for (const [at, id] of ids.entries()) {
    const peerUserId = peers[at] ?? alice;
    draft.put(
      conversationRecord.put([id], newConversation({ peerUserId }, 0)),
      directRecord.put([peerUserId], id),
    );
    for (const seq of [1, 2, 3, 4]) {
      const message = said(peerUserId, at * 10 + seq, { kind: "text", text: "harbour", sentAtMs: seq });
      const place = { conversationId: id, seq, at: timeOf(Math.ceil(seq / 2)) };
      await placing.message({ ...message, conversationId: id, sentAt: place.at }, place);
    }
  }
  await store.commit(draft.writes);
}

const nameOf = ({ conversationId: id, seq, sentAt }: Message) => `${sentAt} ${id} ${seq}`;

test("pages give each message once, newest first, also those that were sent at the same time", async () => {
  const store = memoryStore();
  await fill(store);
  const conversations = createConversations(await openOffline(store));
  for (const limit of [1, 2, 3, 5, 12]) {
    const found: Message[] = [];
    for (;;) {
      const page = await conversations.search("harbour", { before: found.at(-1), limit });
      found.push(...page);
      if (page.length < limit) break;
    }
    const names = found.map((one) => nameOf(one));
    expect(new Set(names).size).toBe(12);
    expect(names).toEqual(names.toSorted().toReversed());
  }
});

test("ends when its signal aborts", async () => {
  const store = memoryStore();
  await fill(store);
  const options = await openOffline(store);
  const signal = AbortSignal.abort();
  const searches = [
    createConversations(options).search("harbour", { signal }),
    createConversation({ kind: "direct", peerUserId: alice }, options).search("harbour", { signal }),
  ];
  for (const searching of searches) await expect(searching).rejects.toMatchObject({ code: "ABORTED" });
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fileStore } from "../storage/file-store.ts";
import { memoryStore } from "../storage/memory-store.ts";
import type { Store, StoreWrite } from "../storage/store.ts";
import { emptyOverlay } from "./overlay.ts";
import { readPage, searchTimeline, summarize } from "./read-timeline.ts";
import { messageRecord } from "./records.ts";
import { alice, arrive, begin, conversation, me, said, timeOf } from "./timeline-fixtures.ts";

const count = 100_000;
const firstScreenMs = 200;
const place = { to: { kind: "direct" as const, peerUserId: alice }, conversationId: conversation };

/** As `Placing` leaves it, written at once. */
async function fill(store: Store): Promise<void> {
  await begin(store);
  let writes: StoreWrite[] = [];
  for (let seq = 1; seq < count; seq++) {
    const message = said(alice, seq, { kind: "text", text: `message ${seq}`, sentAtMs: seq });
    const { id, senderUserId, senderDeviceId, clientMessageId } = message;
    writes.push(
      messageRecord.put([conversation, seq], {
        id,
        senderUserId,
        senderDeviceId,
        clientMessageId,
        sentAt: timeOf(seq),
        assurance: "signed",
        kem: "x25519",
        content: { kind: "text", text: `message ${seq}`, sentAtMs: seq },
        overlay: emptyOverlay,
        isUnread: false,
        receipts: null,
      }),
    );
    if (writes.length < 30_000) continue;
    await store.commit(writes);
    writes = [];
  }
  await store.commit(writes);
  await arrive(store, [[count, said(alice, count, { kind: "text", text: "the newest", sentAtMs: count })]]);
}

async function opens(store: Store): Promise<void> {
  await fill(store);
  const startedAt = performance.now();
  const page = await readPage({ store, me }, place, { beforeSeq: undefined, limit: 50 });
  const summary = await summarize({ store, me }, conversation);
  const tookMs = performance.now() - startedAt;
  expect(page).toHaveLength(50);
  expect(page.at(-1)).toMatchObject({ seq: count, content: { text: "the newest" } });
  expect(summary).toMatchObject({ unreadCount: 1 });
  expect(tookMs).toBeLessThan(firstScreenMs);
  const earlier = await readPage({ store, me }, place, { beforeSeq: count / 2, limit: 2 });
  expect(earlier.map(({ seq }) => seq)).toEqual([count / 2 - 2, count / 2 - 1]);
  const found = await searchTimeline({ store, me }, conversation, {
    query: "newest",
    beforeSeq: undefined,
    limit: 5,
  });
  expect(found).toHaveLength(1);
}

test("of 100,000 stored messages the first screen opens at once: in memory", async () => {
  await opens(memoryStore());
}, 60_000);

test("of 100,000 stored messages the first screen opens at once: in a file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sotto-screen-"));
  const store = await fileStore(join(folder, "store.db"), { key: new Uint8Array(32) });
  try {
    await opens(store);
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

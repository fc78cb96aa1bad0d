import { expect, test } from "vitest";
import { memoryStore } from "../storage/memory-store.ts";
import type { Store } from "../storage/store.ts";
import { exportHistory } from "./export-history.ts";
import { alice, arrive, begin, me, said } from "./timeline-fixtures.ts";

const now = () => Date.UTC(2026, 0, 2);

/** Counts what is read of it. */
function counting(store: Store): Store & { read: number } {
  const counted = {
    ...store,
    read: 0,
    list: async (...args: Parameters<Store["list"]>) => {
      const items = await store.list(...args);
      counted.read += items.length;
      return items;
    },
  };
  return counted;
}

test("a long history is made a page at a time, as fast as it is read, and all of it comes in order", async () => {
  const kept = memoryStore();
  await begin(kept);
  await arrive(
    kept,
    Array.from(
      { length: 1000 },
      (_, n) => [n + 1, said(alice, n + 1, { kind: "text", text: `text ${n}`, sentAtMs: n })] as const,
    ),
  );
  const store = counting(kept);
  const reader = exportHistory({ store, me, now }, {}).getReader();
  let text = "";
  let most = 0;
  for (;;) {
    const before = store.read;
    const { done, value } = await reader.read();
    if (done) break;
    text += new TextDecoder().decode(value);
    most = Math.max(most, store.read - before);
  }
  expect(store.read).toBeGreaterThan(1000);
  expect(most).toBeLessThan(200);
  const lines = text.trimEnd().split("\n");
  const said1000 = lines.flatMap((line) => {
    const { content } = JSON.parse(line) as { content?: { text: string } };
    return content ? [content.text] : [];
  });
  expect(said1000).toEqual(Array.from({ length: 1000 }, (_, n) => `text ${n}`));
  expect(JSON.parse(lines.at(-1) ?? "")).toEqual({ type: "end", conversations: 1, messages: 1000 });
});

test("an edit with a time that no date can hold does not break it", async () => {
  const store = memoryStore();
  await begin(store);
  await arrive(store, [
    [1, said(alice, 1, { kind: "text", text: "text", sentAtMs: 1 })],
    [
      2,
      said(alice, 2, {
        kind: "edit",
        target: said(alice, 1, { kind: "text", text: "", sentAtMs: 1 }).clientMessageId,
        text: "edited",
        sentAtMs: Number.MAX_SAFE_INTEGER,
      }),
    ],
  ]);
  const text = await new Response(
    exportHistory({ store, me, now }, {}) as ReadableStream<Uint8Array<ArrayBuffer>>,
  ).text();
  expect(text).toContain('"text":"edited"');
  expect(text).toContain('"editedAt":null');
});

test("who stops reading stops the making", async () => {
  const store = counting(memoryStore());
  await begin(store);
  const reader = exportHistory({ store, me, now }, {}).getReader();
  await reader.read();
  await reader.cancel();
  const { read } = store;
  expect(await reader.read()).toEqual({ done: true, value: undefined });
  expect(store.read).toBe(read);
});

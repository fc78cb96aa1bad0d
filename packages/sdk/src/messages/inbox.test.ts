import { expect, test } from "vitest";
import { SottoError } from "../errors.ts";
import { memoryStore } from "../storage/memory-store.ts";
import type { Store } from "../storage/store.ts";
import { Inbox } from "./inbox.ts";
import { alice, clientId, conversation, said } from "../timeline/timeline-fixtures.ts";
import { nameOf } from "./received-message.ts";
import { messageOf } from "./received-message-fixtures.ts";

async function receive(store: Store, inbox: Inbox, ...texts: string[]): Promise<void> {
  await store.commit(await inbox.writesFor(texts.map(messageOf)));
  inbox.wake();
}

async function readAll(inbox: Inbox, stopAt: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const received of inbox.read()) {
    if (received.kind === "opaque") texts.push(received.ciphertext);
    if (texts.at(-1) === stopAt) break;
  }
  return texts;
}

test("messages come in order, those of a later time too", async () => {
  const store = memoryStore();
  const inbox = new Inbox(store);
  await receive(store, inbox, ...Array.from({ length: 50 }, (_, at) => String(at)));
  const reading = readAll(inbox, "later");
  await receive(store, inbox, "later");
  expect(await reading).toEqual([...Array.from({ length: 50 }, (_, at) => String(at)), "later"]);
});

test("what was not consumed comes again after a restart, what was consumed does not", async () => {
  const store = memoryStore();
  const inbox = new Inbox(store);
  await receive(store, inbox, "1", "2", "3");
  expect(await readAll(inbox, "2")).toEqual(["1", "2"]);
  const restarted = new Inbox(store);
  await receive(store, restarted, "4");
  expect(await readAll(restarted, "4")).toEqual(["2", "3", "4"]);
});

const numbers = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, at) => String(from + at));

test("while nobody reads the newest are kept, and nothing is lost to whoever reads", async () => {
  const store = memoryStore();
  const inbox = new Inbox(store, 100);
  await receive(store, inbox, ...numbers(1, 90));
  await receive(store, inbox, ...numbers(91, 60));
  for (const kept of ["inbox/", "inbox-name/"]) expect(await store.list(kept)).toHaveLength(100);
  const reader = inbox.read();
  expect(await reader.next()).toMatchObject({ value: { ciphertext: "51" } });
  await receive(store, inbox, ...numbers(151, 20));
  expect(await reader.next()).toMatchObject({ value: { ciphertext: "52" } });
  await reader.return();
  expect(await store.list("inbox/")).toHaveLength(119);
  await receive(store, inbox, "171");
  expect(await store.list("inbox/")).toHaveLength(100);
  expect(await inbox.read().next()).toMatchObject({ value: { ciphertext: "72" } });
});

test("what is deleted, and what edits it, says nothing any more; for that alone is read", async () => {
  const store = memoryStore();
  const inbox = new Inbox(store);
  const edit = said(alice, 2, { kind: "edit", target: clientId(1), text: "secret too", sentAtMs: 2 });
  const text = said(alice, 1, { kind: "text", text: "secret", sentAtMs: 1 });
  await store.commit(await inbox.writesFor([text, edit]));
  await receive(store, inbox, ...Array.from({ length: 100 }, (_, at) => String(at)));
  let reads = 0;
  const counted: Store = {
    ...store,
    get: async (key) => {
      reads += key.startsWith("inbox/") ? 1 : 0;
      return store.get(key);
    },
    list: async (prefix, options) => {
      const items = await store.list(prefix, options);
      reads += prefix === "inbox/" ? items.length : 0;
      return items;
    },
  };
  const names = [nameOf(conversation, text.id), nameOf(conversation, alice, clientId(1)), "unknown"];
  await store.commit(await new Inbox(counted).deletedWrites(names));
  expect(reads).toBe(2);
  expect(JSON.stringify(await store.list(""))).not.toContain("secret");
  const reader = inbox.read();
  expect([await reader.next(), await reader.next()]).toMatchObject([
    { value: { kind: "deleted", id: text.id } },
    { value: { kind: "deleted", id: edit.id } },
  ]);
  expect(await readAll(new Inbox(store), "99")).toHaveLength(100);
  expect(await store.list("inbox-name/")).toHaveLength(1);
});

test("one reader at a time; the next one may follow", async () => {
  const store = memoryStore();
  const inbox = new Inbox(store);
  await receive(store, inbox, "1");
  const first = inbox.read();
  await first.next();
  await expect(inbox.read().next()).rejects.toMatchObject({ code: "BUSY" });
  await first.return();
  expect(await readAll(inbox, "1")).toEqual(["1"]);
});

test("a signal ends the reading while it waits", async () => {
  const inbox = new Inbox(memoryStore());
  const abort = new AbortController();
  const reading = inbox.read(abort.signal).next();
  abort.abort();
  expect(await reading).toEqual({ done: true, value: undefined });
  const stopped = inbox.read().next();
  inbox.endReading();
  expect(await stopped).toEqual({ done: true, value: undefined });
});

test("the end of the stream is told after what came before it", async () => {
  const store = memoryStore();
  const inbox = new Inbox(store);
  await receive(store, inbox, "1");
  inbox.fail(new SottoError("DEVICE_REMOVED"));
  const reader = inbox.read();
  expect(await reader.next()).toMatchObject({ value: { ciphertext: "1" } });
  await expect(reader.next()).rejects.toMatchObject({ code: "DEVICE_REMOVED" });
});

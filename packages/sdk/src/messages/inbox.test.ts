import { expect, test } from "vitest";
import { SottoError } from "../errors.ts";
import { memoryStore } from "../storage/memory-store.ts";
import type { Store } from "../storage/store.ts";
import { Inbox } from "./inbox.ts";
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

import { userId } from "@sotto/schema";
import { v7 as uuidv7 } from "uuid";
import { expect, test } from "vitest";
import { createApi } from "../api/api.ts";
import { OutgoingQueue, findOutgoing } from "../messages/outgoing-queue.ts";
import { indexedDbStore } from "../storage/indexeddb-store.ts";
import type { Store } from "../storage/store.ts";
import type { TabHost } from "../tabs.ts";
import { turnsOf } from "../turns.ts";
import { FileTransfers } from "./file-transfers.ts";
import { type Spool, storeSpool } from "./spool.ts";

const mib = 1_048_576;
const destination = { kind: "direct" as const, peerUserId: userId.parse(crypto.randomUUID()) };

const aboutFile = { kind: "file" as const, blobId: uuidv7(), sentAtMs: 0, name: "n", mimeType: "x/y" };

/** What one of several tabs sends files with. */
class Tab implements AsyncDisposable {
  readonly store: Store;
  readonly #spool: Spool;
  readonly #files: FileTransfers;

  constructor(store: Store) {
    this.store = store;
    this.#spool = storeSpool(store);
    this.#files = new FileTransfers(this.#spool, store);
  }

  /** As far as its message is queued. */
  send(clientMessageId: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    const queue = new OutgoingQueue(this.store, turnsOf(this.store, "store"));
    const sending = { clientMessageId, source, onProgress: undefined, signal: undefined };
    return this.#files.store(sending, async (seal) => {
      await queue.add(clientMessageId, { destination, payload: { ...aboutFile, ...seal } });
    });
  }

  /** The server, which is asked to forget it too, is away. */
  takeBack(clientMessageId: string): Promise<void> {
    const api = createApi({ url: "http://127.0.0.1:9", getToken: () => undefined });
    return this.#files.takeBack({ api }, { clientMessageId, file: aboutFile });
  }

  async untilQueued(id: string): Promise<void> {
    while (!(await findOutgoing(this.store, id))) await delay(10);
  }

  /** What is spooled is what the message that is queued names. */
  async expectWhole(id: string): Promise<void> {
    const message = await findOutgoing(this.store, id);
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for (let at = 0; ; at++) {
      const piece = await this.#spool.read(id, at);
      if (!piece) break;
      pieces.push(piece);
    }
    const ciphertext = await new Blob(pieces).arrayBuffer();
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", ciphertext));
    expect(message?.payload).toMatchObject({ ciphertextSize: ciphertext.byteLength, ciphertextSha256: hash });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.store.close();
  }
}

const openTab = async (name: string): Promise<Tab> => new Tab(await indexedDbStore(name));

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** For what is expected to wait. */
const orTooLong = (waiting: Promise<void>): Promise<void> => Promise.race([waiting, delay(1500)]);

async function* endingSource(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(4 * mib);
}

/** More than a piece, then nothing until it may go on. */
function haltingSource() {
  const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const source = async function* (): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(2 * mib);
    begun.resolve();
    await goOn.promise;
    yield new Uint8Array(mib);
  };
  return { source: source(), begun: begun.promise, goOn: goOn.resolve };
}

test("two tabs that send one message's file at once: one is sent, with its own bytes", async () => {
  const [name, id] = [crypto.randomUUID(), uuidv7()];
  await using first = await openTab(name);
  await using second = await openTab(name);
  const halting = haltingSource();
  const sending = first.send(id, halting.source);
  await halting.begun;
  const both = Promise.allSettled([sending, second.send(id, endingSource())]);
  await orTooLong(second.untilQueued(id));
  halting.goOn();
  const outcomes = await both;
  await first.expectWhole(id);
  expect(outcomes).toMatchObject([
    { status: "fulfilled" },
    { status: "rejected", reason: { code: "CLIENT_MESSAGE_ID_REUSED" } },
  ]);
});

test("what is taken back in one tab does not take from another what that has begun to send anew", async () => {
  const [name, id] = [crypto.randomUUID(), uuidv7()];
  await using first = await openTab(name);
  await using second = await openTab(name);
  const halting = haltingSource();
  const sending = second.send(id, halting.source);
  await halting.begun;
  const takingBack = first.takeBack(id);
  await orTooLong(takingBack);
  halting.goOn();
  await Promise.all([sending, takingBack]);
  await second.expectWhole(id);
});

test("a tab that was deposed joins anew, though a file's source gives nothing", async () => {
  const [name, id] = [crypto.randomUUID(), uuidv7()];
  await using deposed = await openTab(name);
  await using other = await openTab(name);
  const reloaded = Promise.withResolvers<void>();
  const host: TabHost = {
    wantsToLead: false,
    beginLeading: async () => {},
    endLeading: async () => {},
    hear: async () => {},
    reload: async () => reloaded.resolve(),
  };
  deposed.store.tabs?.join(host);
  const halting = haltingSource();
  const sending = deposed.send(id, halting.source);
  await halting.begun;
  await other.store.tabs?.deposeOthers();
  await expect(deposed.store.commit([{ key: "a", value: 1 }])).rejects.toMatchObject({
    code: "STORE_LOCKED",
  });
  await reloaded.promise;
  await expect(sending).rejects.toMatchObject({ code: "STORE_LOCKED" });
  halting.goOn();
});

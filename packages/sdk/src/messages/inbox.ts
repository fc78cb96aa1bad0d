import { SottoError } from "../errors.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store, StoreWrite } from "../storage/store.ts";
import type { InboxReading } from "../tabs.ts";
import { type ReceivedMessage, receivedMessage, withoutContent } from "./received-message.ts";

export const inboxRecord = defineRecord("inbox", receivedMessage);
const pageSize = 32;

/**
 * Received messages that the application has not consumed, in a running order. A message is consumed, and leaves the
 * store, when the application asks for the one after it; after a crash the unconsumed ones come again.
 */
export class Inbox {
  readonly #store: Store;
  readonly #reading: InboxReading;
  #arrival = Promise.withResolvers<void>();
  #readers = new AbortController();
  #failure: Error | undefined;
  #isBeingRead = false;

  constructor(store: Store) {
    this.#store = store;
    this.#reading = store.tabs?.readInbox(store) ?? readAlone(store);
  }

  /** In a turn: to be committed together with the positions that they were read at, then told by `wake`. */
  async writesFor(messages: readonly ReceivedMessage[]): Promise<StoreWrite[]> {
    if (messages.length === 0) return [];
    const [newest] = await inboxRecord.list(this.#store, [], { isReversed: true, limit: 1 });
    let last = Math.max(Number(newest?.path[0] ?? 0), await this.#reading.consumedThrough());
    return messages.map((message) => inboxRecord.put([++last], message));
  }

  /** In a turn: what waits here of messages that were deleted says nothing any more. To be committed with the deletion. */
  async deletedWrites(isDeleted: (message: ReceivedMessage) => boolean): Promise<StoreWrite[]> {
    const writes: StoreWrite[] = [];
    for (let after = 0; ;) {
      const page = await inboxRecord.list(this.#store, [], { after: [after], limit: pageSize });
      for (const { path, value } of page) {
        after = Number(path[0]);
        if (isDeleted(value)) writes.push(inboxRecord.put([after], withoutContent(value)));
      }
      if (page.length < pageSize) return writes;
    }
  }

  wake(): void {
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }

  /** Readers get what is there, then this error. Undefined: the stream goes on. */
  fail(error: Error | undefined): void {
    this.#failure = error;
    this.wake();
  }

  /** Ends the present iteration, wherever it is. */
  endReading(): void {
    this.#readers.abort();
    this.#readers = new AbortController();
    this.wake();
  }

  /** Ends when `signal` aborts; throws the stream's final error, and `BUSY` when there is a reader already. */
  async *read(signal?: AbortSignal): AsyncGenerator<ReceivedMessage, void, undefined> {
    if (this.#isBeingRead) throw new SottoError("BUSY");
    this.#isBeingRead = true;
    const ended = signal ? AbortSignal.any([signal, this.#readers.signal]) : this.#readers.signal;
    const onAbort = (): void => this.wake();
    ended.addEventListener("abort", onAbort);
    try {
      yield* this.#untilEnded(ended);
    } finally {
      ended.removeEventListener("abort", onAbort);
      this.#isBeingRead = false;
    }
  }

  async *#untilEnded(ended: AbortSignal): AsyncGenerator<ReceivedMessage, void, undefined> {
    let consumed = await this.#reading.begin();
    try {
      while (!ended.aborted) {
        const arrival = this.#arrival.promise;
        const page = await inboxRecord.list(this.#store, [], { after: [consumed], limit: pageSize });
        for (const [at, { path, value }] of page.entries()) {
          if (ended.aborted) return;
          // What came meanwhile may have deleted what this page says.
          if (at > 0 && this.#arrival.promise !== arrival) break;
          yield value;
          // Runs when the next one is asked for. Leaving the loop by `break` or an error does not come here.
          consumed = Number(path[0]);
          await this.#reading.consume(consumed);
        }
        if (page.length > 0) continue;
        if (this.#failure) throw this.#failure;
        await arrival;
      }
    } finally {
      await this.#reading.end();
    }
  }
}

/** What is consumed is forgotten at once. */
function readAlone(store: Store): InboxReading {
  let last = 0;
  return {
    consumedThrough: async () => last,
    begin: async () => 0,
    consume: async (seq) => {
      last = seq;
      await store.commit([inboxRecord.remove(seq)]);
    },
    end: async () => {},
  };
}

import * as z from "zod/mini";
import { SottoError } from "../errors.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store, StoreWrite } from "../storage/store.ts";
import type { InboxReading } from "../tabs.ts";
import { type ReceivedMessage, deletedWith, receivedMessage, withoutContent } from "./received-message.ts";

export const inboxRecord = defineRecord("inbox", receivedMessage);
/** Numbers of the inbox by what a deletion names: it is not looked through for that. */
const nameRecord = defineRecord("inbox-name", z.literal(1));
const pageSize = 32;
/** While nobody reads, older ones are dropped: an application may never read, and has the timeline. */
const usualMaxUnread = 10_000;

/** To be committed when a message leaves the inbox. */
export function leavingInbox(seq: number, message: ReceivedMessage): StoreWrite[] {
  const name = deletedWith(message);
  return [inboxRecord.remove(seq), ...(name === undefined ? [] : [nameRecord.remove(name, seq)])];
}

/**
 * Received messages that the application has not consumed, in a running order. A message is consumed, and leaves the
 * store, when the application asks for the one after it; after a crash the unconsumed ones come again, while nobody
 * reads at most the newest 10,000 of them.
 */
export class Inbox {
  readonly #store: Store;
  readonly #reading: InboxReading;
  readonly #maxUnread: number;
  #arrival = Promise.withResolvers<void>();
  #readers = new AbortController();
  #failure: Error | undefined;
  #isBeingRead = false;

  constructor(store: Store, maxUnread = usualMaxUnread) {
    this.#store = store;
    this.#maxUnread = maxUnread;
    this.#reading = store.tabs?.readInbox(store) ?? readAlone(store);
  }

  /** In a turn: to be committed together with the positions that they were read at, then told by `wake`. */
  async writesFor(messages: readonly ReceivedMessage[]): Promise<StoreWrite[]> {
    if (messages.length === 0) return [];
    const [newest] = await inboxRecord.list(this.#store, [], { isReversed: true, limit: 1 });
    let last = Math.max(Number(newest?.path[0] ?? 0), await this.#reading.consumedThrough());
    const dropped = await this.#droppedWrites(last + messages.length - this.#maxUnread, messages.length);
    const added = messages.flatMap((message) => {
      const name = deletedWith(message);
      const at = ++last;
      return [inboxRecord.put([at], message), ...(name === undefined ? [] : [nameRecord.put([name, at], 1)])];
    });
    return [...dropped, ...added];
  }

  /** What is left over is dropped with the next ones. */
  async #droppedWrites(through: number, count: number): Promise<StoreWrite[]> {
    if (through <= 0 || (await this.#reading.isOpen())) return [];
    const oldest = await inboxRecord.list(this.#store, [], { limit: count + pageSize });
    return oldest.flatMap(({ path: [seq], value }) =>
      Number(seq) > through ? [] : leavingInbox(Number(seq), value),
    );
  }

  /**
   * In a turn: what waits here of messages that were deleted, by what {@link deletedWith} gives, says nothing any more.
   * To be committed with the deletion.
   */
  async deletedWrites(names: Iterable<string>): Promise<StoreWrite[]> {
    const writes: StoreWrite[] = [];
    for (const name of names) {
      for (const { path } of await nameRecord.list(this.#store, [name])) {
        const seq = Number(path[1]);
        const message = await inboxRecord.get(this.#store, seq);
        if (message) writes.push(inboxRecord.put([seq], withoutContent(message)));
        writes.push(nameRecord.remove(name, seq));
      }
    }
    return writes;
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
          try {
            await this.#reading.consume(consumed, value);
          } catch (error) {
            // The user has signed out meanwhile, or the client is closed: it is forgotten, or comes again.
            if (ended.aborted) return;
            throw error;
          }
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
  let isOpen = false;
  return {
    consumedThrough: async () => last,
    isOpen: async () => isOpen,
    begin: async () => {
      isOpen = true;
      return 0;
    },
    consume: async (seq, message) => {
      last = seq;
      await store.commit(leavingInbox(seq, message));
    },
    end: async () => {
      isOpen = false;
    },
  };
}

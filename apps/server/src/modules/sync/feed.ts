import type { LogId, Signal } from "@sotto/schema";
import type { LogEntry, Reader } from "../logs/entries.ts";
import type { LogState } from "../logs/logs.service.ts";

/** What a feed hands to its connection, in order within each log. */
export type FeedEvent =
  | { type: "entry"; entry: LogEntry; from: "live" | "database" }
  | { type: "caught_up" }
  | { type: "resync_required"; log: LogId; prunedThrough: number }
  | Signal;

/** Where a feed reads what it has not been told. */
export interface FeedSource {
  listStates(reader: Reader, only?: LogId): Promise<LogState[]>;
  readEntries(reader: Reader, range: { log: LogId; afterSeq: number; limit: number }): Promise<LogEntry[]>;
}

export interface FeedSink {
  deliver(event: FeedEvent): void;
  /** As `deliver`, for what may be left out. */
  signal(signal: Signal): void;
  /** Whether the connection can take more of a backlog. */
  hasRoom(): boolean;
  /** Resolves when it can, or is closed. */
  room(): Promise<void>;
  /** A read failed: the connection is to be closed, and the client resumes. */
  fail(error: unknown): void;
}

/** How far one log has been delivered. */
interface Cursor {
  sent: number;
  /** The highest number heard of. */
  heard: number;
  /** The read under way; while there is one, live entries wait for it. */
  reading: Promise<void> | undefined;
  /** The newest of those that wait, without a hole. */
  waiting: LogEntry[] | undefined;
}

const pageSize = 50;
/** What waits is shared by all feeds; more than this is read from the database. */
const maxWaiting = 128;

/**
 * Delivers a connection's logs gap-free and in order. A live entry that follows the last one sent
 * goes straight out; one that does not follow shows a hole, and the log is read from the database
 * until it is level. `resume` begins at the device's positions, otherwise at the present end.
 */
export class Feed {
  readonly #reader: Reader;
  readonly #source: FeedSource;
  readonly #sink: FeedSink;
  readonly #isResuming: boolean;
  readonly #cursors = new Map<LogId, Cursor>();
  /** Numbers heard before the cursors were known; undefined once they are. */
  #early: Map<LogId, number> | undefined = new Map();
  #isClosed = false;

  constructor(options: { reader: Reader; source: FeedSource; sink: FeedSink; resume: boolean }) {
    this.#reader = options.reader;
    this.#source = options.source;
    this.#sink = options.sink;
    this.#isResuming = options.resume;
  }

  /** Must be registered with the hub before this is called, so that nothing falls between. */
  async start(): Promise<void> {
    const states = await this.#source.listStates(this.#reader);
    const early = this.#early;
    if (this.#isClosed || !early) return;
    for (const state of states) {
      this.#cursors.set(state.log, {
        sent: this.#isResuming ? this.#begin(state) : state.lastSeq,
        heard: Math.max(state.lastSeq, early.get(state.log) ?? 0),
        reading: undefined,
        waiting: undefined,
      });
    }
    this.#early = undefined;
    for (const [log, seq] of early) if (!this.#cursors.has(log)) this.#open(log, seq);
    for (const log of this.#cursors.keys()) await this.#level(log);
    if (this.#isResuming && !this.#isClosed) this.#sink.deliver({ type: "caught_up" });
  }

  /** A wake: the entry was committed. */
  hear(entry: LogEntry): void {
    const cursor = this.#cursors.get(entry.log);
    if (cursor && entry.seq === cursor.sent + 1 && !cursor.reading) {
      cursor.heard = Math.max(cursor.heard, entry.seq);
      this.#deliver(cursor, entry, "live");
      return;
    }
    if (cursor?.reading) keepWaiting(cursor, entry);
    this.hearOf(entry.log, entry.seq);
  }

  /** The log is known to reach this number. */
  hearOf(log: LogId, seq: number): void {
    if (this.#isClosed) return;
    if (this.#early) {
      this.#early.set(log, Math.max(seq, this.#early.get(log) ?? 0));
      return;
    }
    const cursor = this.#cursors.get(log);
    if (!cursor) {
      this.#open(log, seq);
      return;
    }
    cursor.heard = Math.max(cursor.heard, seq);
    // Nothing is made to wait for the read: at a busy log that would be something for each entry.
    void this.#level(log);
  }

  /** Goes past the logs: it has no number. */
  signal(signal: Signal): void {
    if (!this.#isClosed) this.#sink.signal(signal);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
    this.#cursors.clear();
  }

  /** Where a log that is resumed begins; tells of a part that is gone. */
  #begin(state: LogState): number {
    if (state.position >= state.prunedSeq) return state.position;
    this.#sink.deliver({ type: "resync_required", log: state.log, prunedThrough: state.prunedSeq });
    return state.prunedSeq;
  }

  #deliver(cursor: Cursor, entry: LogEntry, from: "live" | "database"): void {
    cursor.sent = entry.seq;
    this.#sink.deliver({ type: "entry", entry, from });
  }

  /** A log that came into being, or that the user joined, while the feed runs. */
  #open(log: LogId, seq: number): void {
    const cursor: Cursor = { sent: 0, heard: seq, reading: undefined, waiting: undefined };
    this.#cursors.set(log, cursor);
    cursor.reading = this.#read(log, cursor, async () => {
      const [state] = await this.#source.listStates(this.#reader, log);
      cursor.sent = state?.position ?? seq;
    });
  }

  /** Reads the log until nothing heard of is outstanding. One read of a log runs at a time. */
  #level(log: LogId): Promise<void> | undefined {
    const cursor = this.#cursors.get(log);
    if (!cursor || this.#isClosed) return undefined;
    if (cursor.heard > cursor.sent) cursor.reading ??= this.#read(log, cursor);
    return cursor.reading;
  }

  async #read(log: LogId, cursor: Cursor, begin?: () => Promise<void>): Promise<void> {
    try {
      if (begin) await begin();
      let limit = pageSize;
      while (cursor.heard > cursor.sent && !this.#isClosed) {
        limit = await this.#readPage(log, cursor, limit);
        this.#deliverWaiting(cursor);
        // Nothing that was read is held meanwhile: entries are large, and connections that wait are many.
        if (!this.#sink.hasRoom()) await this.#sink.room();
      }
    } catch (error) {
      this.#sink.fail(error);
    } finally {
      // In the same turn in which the log was found level, so that what is heard next starts a new read.
      cursor.reading = undefined;
      cursor.waiting = undefined;
    }
  }

  /** What was heard live during the read need not be read as well. */
  #deliverWaiting(cursor: Cursor): void {
    for (const entry of cursor.waiting ?? []) {
      if (this.#isClosed || !this.#sink.hasRoom()) return;
      if (entry.seq === cursor.sent + 1) this.#deliver(cursor, entry, "live");
    }
  }

  /** Delivers as much as there is room for; gives how much to read the next time. */
  async #readPage(log: LogId, cursor: Cursor, limit: number): Promise<number> {
    const { heard } = cursor;
    const page = await this.#source.readEntries(this.#reader, { log, afterSeq: cursor.sent, limit });
    for (const [index, entry] of page.entries()) {
      if (this.#isClosed) return limit;
      if (index > 0 && !this.#sink.hasRoom()) return index;
      this.#deliver(cursor, entry, "database");
    }
    // What was heard of and is not there is not for this reader.
    if (page.length < limit) cursor.sent = Math.max(cursor.sent, heard);
    return Math.min(2 * limit, pageSize);
  }
}

function keepWaiting(cursor: Cursor, entry: LogEntry): void {
  const waiting = (cursor.waiting ??= []);
  const last = waiting.at(-1);
  const follows = last === undefined || entry.seq === last.seq + 1;
  if (follows && waiting.length < maxWaiting) waiting.push(entry);
  else if (last === undefined || entry.seq > last.seq) cursor.waiting = [entry];
}

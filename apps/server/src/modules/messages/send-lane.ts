import type { Wake } from "../../bus/bus.ts";
import { hasRolledBack, type Db } from "../../db/db.ts";
import type { OutgoingEvent } from "../outgoing/events.ts";
import type { Outgoing } from "../outgoing/outgoing.service.ts";
import { insertSends, type BatchedRow, type BatchedSend } from "./send-batch.queries.ts";

const maxSends = 128;
/** So that large messages do not add up to one huge statement. */
const maxBatchChars = 4_194_304;

/** A send and what to tell of it once it is stored. */
export interface LaneSend extends BatchedSend {
  describe: (row: BatchedRow) => Wake;
}

export interface LaneParts {
  /** Of a connection that is set as `laneSettings` says. */
  db: Db;
  now: () => Date;
  outgoing: Outgoing;
  /** Tells of what was committed. */
  announce: (wakes: readonly Wake[], events: readonly OutgoingEvent[]) => void;
}

interface Waiting {
  send: LaneSend;
  settle: PromiseWithResolvers<BatchedRow | undefined>;
}

/**
 * Group commit: sends that arrive while a commit runs share the next one. A commit costs about the
 * same for one message and for a hundred (ADR 0017). What a batch does not store is for its caller to
 * send alone, in a transaction that finds out why.
 */
export class SendLane {
  readonly #parts: LaneParts;
  readonly #waiting: Waiting[] = [];
  #isRunning = false;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  /** Gives where the message was stored, after the commit; undefined when it was not, and nothing was. */
  store(send: LaneSend): Promise<BatchedRow | undefined> {
    const settle = Promise.withResolvers<BatchedRow | undefined>();
    this.#waiting.push({ send, settle });
    if (!this.#isRunning) void this.#run();
    return settle.promise;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // What the sockets brought in the same turn comes along.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#commit(this.#take());
    this.#isRunning = false;
  }

  #take(): Waiting[] {
    let chars = 0;
    const isFull = this.#waiting.findIndex(({ send }, i) => {
      chars += sizeOf(send);
      return i === maxSends || (i > 0 && chars > maxBatchChars);
    });
    return this.#waiting.splice(0, isFull < 0 ? this.#waiting.length : isFull);
  }

  async #commit(batch: Waiting[]): Promise<void> {
    const stored = new Map<string, BatchedRow>();
    try {
      for (const row of await this.#store(withoutRepeats(batch))) stored.set(row.id, row);
    } catch (error) {
      // Only of what was rolled back is it certain that it may be sent again.
      if (!hasRolledBack(error)) return batch.forEach(({ settle }) => settle.reject(error));
    }
    for (const { send, settle } of batch) settle.resolve(stored.get(send.id));
  }

  /** Stores what can be stored, in one transaction with what leaves the server, and tells of it after the commit. */
  async #store(sends: LaneSend[]): Promise<BatchedRow[]> {
    const { db, now, outgoing, announce } = this.#parts;
    if (outgoing.isTransient) {
      const rows = await insertSends(db, sends, now());
      const wakes = describe(sends, rows);
      // They may be lost, but not keep the senders from their answer.
      announce(wakes, await outgoing.derive(db, wakes).catch(() => []));
      return rows;
    }
    const committed = await db.transaction().execute(async (tx) => {
      const rows = await insertSends(tx, sends, now());
      const wakes = describe(sends, rows);
      return { rows, wakes, events: await outgoing.store(tx, wakes) };
    });
    announce(committed.wakes, committed.events);
    return committed.rows;
  }
}

/** In the order of their numbers. */
function describe(sends: LaneSend[], rows: BatchedRow[]): Wake[] {
  const byId = new Map(sends.map((send) => [send.id, send]));
  return rows.flatMap((row) => byId.get(row.id)?.describe(row) ?? []);
}

/** The second send of the same thing would break the unique key, and with it the batch: it comes alone and finds the first. */
function withoutRepeats(batch: Waiting[]): LaneSend[] {
  const seen = new Set<string>();
  return batch.flatMap(({ send }) => {
    const { dedupeKey, recipientUserId, groupId } = send;
    if (dedupeKey === null) return [send];
    const key = `${dedupeKey}/${recipientUserId ?? groupId ?? ""}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return [send];
  });
}

function sizeOf({ ciphertext, wraps }: LaneSend): number {
  if (!wraps) return ciphertext.length;
  return Object.values(wraps).reduce((chars, wrap) => chars + wrap.length, ciphertext.length);
}

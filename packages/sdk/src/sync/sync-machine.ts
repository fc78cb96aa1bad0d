import { maxFillEntries } from "@sotto/schema";

/** Entries applied in one commit. */
const maxBatch = 64;
/** Positions in one ack. */
const maxAckedLogs = 200;

export interface Numbered {
  log: string;
  seq: number;
}

export interface Range {
  log: string;
  fromSeq: number;
  toSeq: number;
}

export type Positions = ReadonlyMap<string, number>;

/** What is to be stored, in order. */
export type Step<E> = { type: "entry"; entry: E } | ({ type: "resync" } & Gap);

/** Numbers that the server no longer has. */
export interface Gap {
  log: string;
  /** null: this device had nothing of the log. */
  prunedFrom: number | null;
  prunedThrough: number;
}

export interface Batch<E> {
  steps: readonly Step<E>[];
  positions: Positions;
}

export type SyncInput<E> =
  | { type: "connected" }
  | { type: "entry"; entry: E }
  | { type: "filled"; range: Range; entries: readonly E[] }
  | { type: "resync_required"; log: string; prunedThrough: number }
  | { type: "caught_up" }
  /** The last batch is committed. */
  | { type: "applied" }
  | { type: "ack_due" }
  | { type: "acked" }
  | { type: "ack_failed" };

export type SyncEffect<E> =
  | { type: "fill"; range: Range }
  /** Commit steps and positions at once, then say `applied`. There is one batch at a time. */
  | { type: "apply"; batch: Batch<E> }
  /** Say `ack_due` soon. */
  | { type: "schedule_ack" }
  /** Tell the server, then say `acked` or `ack_failed`. There is one ack at a time. */
  | { type: "ack"; positions: Positions }
  | { type: "caught_up" };

interface LogState<E> {
  /** The last number taken in order, whether or not it is committed. Undefined: the log has not begun. */
  taken: number | undefined;
  committed: number | undefined;
  /** Numbers asked for; later entries wait. */
  hole: Range | undefined;
  waiting: E[];
}

/**
 * Puts a stream that repeats, skips and breaks off into order: each entry is applied exactly once, in the order of its
 * log, and acknowledged only after it is committed. No I/O: inputs in, effects out. `SPEC.md` has its table and its
 * invariants.
 */
export class SyncMachine<E extends Numbered> {
  readonly #logs = new Map<string, LogState<E>>();
  readonly #ready: Step<E>[] = [];
  #applying: Batch<E> | undefined;
  readonly #unacked = new Map<string, number>();
  #acking: Positions | undefined;
  #isAckScheduled = false;
  #isCaughtUpDue = false;

  /** `positions`: what the store has committed. */
  constructor(positions: Positions) {
    for (const [log, seq] of positions) {
      this.#logs.set(log, { taken: seq, committed: seq, hole: undefined, waiting: [] });
    }
  }

  handle(input: SyncInput<E>): SyncEffect<E>[] {
    const effects: SyncEffect<E>[] = [];
    switch (input.type) {
      case "connected":
        this.#forgetConnection();
        break;
      case "entry":
        this.#receive(input.entry, effects);
        break;
      case "filled":
        this.#closeHole(input.range, { entries: input.entries, effects });
        break;
      case "resync_required":
        this.#skipPruned(input, effects);
        break;
      case "caught_up":
        this.#isCaughtUpDue = true;
        break;
      case "applied":
        this.#commit();
        break;
      case "ack_due":
        this.#startAck(effects);
        break;
      case "acked":
        this.#acking = undefined;
        break;
      case "ack_failed":
        this.#reclaimAck();
        break;
    }
    this.#proceed(effects);
    return effects;
  }

  /** The hole was not closed otherwise. */
  isWaitingFor({ log, fromSeq, toSeq }: Range): boolean {
    const hole = this.#logs.get(log)?.hole;
    return hole?.fromSeq === fromSeq && hole.toSeq === toSeq;
  }

  /** Positions that are committed and not acknowledged: for the last ack before the end. */
  get unacked(): Positions {
    return new Map([...(this.#acking ?? []), ...this.#unacked]);
  }

  /** What waits behind a hole comes again; what was taken in order is in hand already. */
  #forgetConnection(): void {
    this.#isCaughtUpDue = false;
    for (const state of this.#logs.values()) {
      state.hole = undefined;
      state.waiting = [];
    }
  }

  #stateOf(log: string): LogState<E> {
    const state = this.#logs.get(log) ?? {
      taken: undefined,
      committed: undefined,
      hole: undefined,
      waiting: [],
    };
    this.#logs.set(log, state);
    return state;
  }

  #receive(entry: E, effects: SyncEffect<E>[]): void {
    const state = this.#stateOf(entry.log);
    const { taken } = state;
    if (taken !== undefined && entry.seq <= taken) {
      this.#acknowledgeAgain(entry.log, state);
    } else if (state.hole) {
      if (entry.seq > (state.waiting.at(-1)?.seq ?? 0)) state.waiting.push(entry);
    } else if (taken === undefined || entry.seq === taken + 1) {
      this.#take(state, entry);
    } else {
      state.waiting = [entry];
      this.#openHole(state, { log: entry.log, fromSeq: taken + 1, toSeq: entry.seq - 1 }, effects);
    }
  }

  #take(state: LogState<E>, entry: E): void {
    state.taken = entry.seq;
    this.#ready.push({ type: "entry", entry });
  }

  #openHole(state: LogState<E>, { log, fromSeq, toSeq }: Range, effects: SyncEffect<E>[]): void {
    const range = { log, fromSeq, toSeq: Math.min(toSeq, fromSeq + maxFillEntries - 1) };
    state.hole = range;
    effects.push({ type: "fill", range });
  }

  #closeHole(range: Range, given: { entries: readonly E[]; effects: SyncEffect<E>[] }): void {
    if (!this.isWaitingFor(range)) return;
    const state = this.#stateOf(range.log);
    for (const entry of given.entries.toSorted((a, b) => a.seq - b.seq)) {
      const isAsked = entry.log === range.log && entry.seq <= range.toSeq;
      if (isAsked && entry.seq > (state.taken ?? 0)) this.#take(state, entry);
    }
    // What the server did not give is not visible to this device.
    state.taken = range.toSeq;
    state.hole = undefined;
    const waiting = state.waiting.splice(0);
    for (const entry of waiting) this.#receive(entry, given.effects);
  }

  #skipPruned({ log, prunedThrough }: Omit<Gap, "prunedFrom">, effects: SyncEffect<E>[]): void {
    const state = this.#stateOf(log);
    if (state.taken !== undefined && state.taken >= prunedThrough) {
      this.#acknowledgeAgain(log, state);
      return;
    }
    const prunedFrom = state.taken === undefined ? null : state.taken + 1;
    state.taken = prunedThrough;
    state.hole = undefined;
    this.#ready.push({ type: "resync", log, prunedFrom, prunedThrough });
    for (const entry of state.waiting.splice(0)) this.#receive(entry, effects);
  }

  #commit(): void {
    for (const [log, seq] of this.#applying?.positions ?? []) {
      this.#stateOf(log).committed = seq;
      this.#oweAck(log, seq);
    }
    this.#applying = undefined;
  }

  #oweAck(log: string, seq: number): void {
    if (seq > (this.#unacked.get(log) ?? 0) && seq > (this.#acking?.get(log) ?? 0))
      this.#unacked.set(log, seq);
  }

  /** The server says again what this device has: an earlier ack was lost. */
  #acknowledgeAgain(log: string, { committed }: LogState<E>): void {
    if (committed !== undefined) this.#oweAck(log, committed);
  }

  #reclaimAck(): void {
    const failed = this.#acking ?? new Map<string, number>();
    this.#acking = undefined;
    for (const [log, seq] of failed) this.#oweAck(log, seq);
  }

  #startAck(effects: SyncEffect<E>[]): void {
    this.#isAckScheduled = false;
    const positions = new Map([...this.#unacked].slice(0, maxAckedLogs));
    if (positions.size === 0 || this.#acking) return;
    for (const log of positions.keys()) this.#unacked.delete(log);
    this.#acking = positions;
    effects.push({ type: "ack", positions });
  }

  /** Starts whatever can be started. */
  #proceed(effects: SyncEffect<E>[]): void {
    if (!this.#applying && this.#ready.length > 0) {
      const steps = this.#ready.splice(0, maxBatch);
      const positions = new Map(
        steps.map((step) =>
          step.type === "entry" ? [step.entry.log, step.entry.seq] : [step.log, step.prunedThrough],
        ),
      );
      this.#applying = { steps, positions };
      effects.push({ type: "apply", batch: this.#applying });
    }
    if (this.#unacked.size > 0 && !this.#acking && !this.#isAckScheduled) {
      this.#isAckScheduled = true;
      effects.push({ type: "schedule_ack" });
    }
    const isLevel = !this.#applying && this.#ready.length === 0;
    if (this.#isCaughtUpDue && isLevel && [...this.#logs.values()].every(({ hole }) => !hole)) {
      this.#isCaughtUpDue = false;
      effects.push({ type: "caught_up" });
    }
  }
}

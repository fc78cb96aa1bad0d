import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Gap, type Numbered, type SyncEffect, type SyncInput, SyncMachine } from "./sync-machine.ts";

const entry = (seq: number, log = "a") => ({ log, seq });
const steps = (...seqs: number[]) => seqs.map((seq) => ({ type: "entry", entry: entry(seq) }));
const machineAt = (seq: number) => new SyncMachine<Numbered>(new Map([["a", seq]]));

function receive(machine: SyncMachine<Numbered>, ...seqs: number[]): SyncEffect<Numbered>[] {
  return seqs.flatMap((seq) => machine.handle({ type: "entry", entry: entry(seq) }));
}

const told = (effects: readonly SyncEffect<Numbered>[]) => effects.some(({ type }) => type === "caught_up");

describe("the state machine of the stream", () => {
  test("a log that has not begun may begin at any number", () => {
    const effects = receive(new SyncMachine<Numbered>(new Map()), 7);
    expect(effects).toEqual([{ type: "apply", batch: { steps: steps(7), positions: new Map([["a", 7]]) } }]);
  });

  test("drops what it has, and acknowledges it once more", () => {
    expect(receive(machineAt(5), 4, 5)).toEqual([{ type: "schedule_ack" }]);
  });

  test("asks for a hole, and holds back what comes after it", () => {
    const machine = machineAt(5);
    const range = { log: "a", fromSeq: 6, toSeq: 7 };
    expect(receive(machine, 8, 9, 8)).toEqual([{ type: "fill", range }]);
    const effects = machine.handle({ type: "filled", range, entries: [entry(7), entry(6)] });
    expect(effects).toMatchObject([{ type: "apply", batch: { steps: steps(6, 7, 8, 9) } }]);
  });

  test("what a fill does not have is skipped", () => {
    const machine = machineAt(5);
    receive(machine, 8);
    const effects = machine.handle({
      type: "filled",
      range: { log: "a", fromSeq: 6, toSeq: 7 },
      entries: [],
    });
    expect(effects).toMatchObject([{ type: "apply", batch: { steps: steps(8) } }]);
  });

  test("a large hole is asked for in parts; a fill of an earlier connection counts for nothing", () => {
    const machine = machineAt(0);
    const first = { log: "a", fromSeq: 1, toSeq: 200 };
    expect(receive(machine, 302)).toEqual([{ type: "fill", range: first }]);
    machine.handle({ type: "connected" });
    expect(machine.handle({ type: "filled", range: first, entries: [entry(1)] })).toEqual([]);
    expect(receive(machine, 302)).toEqual([{ type: "fill", range: first }]);
    const second = { log: "a", fromSeq: 201, toSeq: 301 };
    expect(machine.handle({ type: "filled", range: first, entries: [] })).toEqual([
      { type: "fill", range: second },
    ]);
  });

  test("one batch and one ack at a time", () => {
    const machine = machineAt(0);
    expect(receive(machine, 1, 2, 3)).toHaveLength(1);
    const next = machine.handle({ type: "applied" });
    expect(next).toMatchObject([{ type: "apply", batch: { steps: steps(2, 3) } }, { type: "schedule_ack" }]);
    expect(machine.handle({ type: "ack_due" })).toEqual([{ type: "ack", positions: new Map([["a", 1]]) }]);
    expect(machine.handle({ type: "applied" })).toEqual([]);
    expect(machine.handle({ type: "ack_failed" })).toEqual([{ type: "schedule_ack" }]);
    expect(machine.handle({ type: "ack_due" })).toEqual([{ type: "ack", positions: new Map([["a", 3]]) }]);
    expect(machine.handle({ type: "acked" })).toEqual([]);
  });

  test("is caught up only when everything before is committed", () => {
    const machine = machineAt(0);
    receive(machine, 1);
    expect(machine.handle({ type: "caught_up" })).toEqual([]);
    expect(machine.handle({ type: "applied" }).at(-1)).toEqual({ type: "caught_up" });
  });

  test("is caught up only when no hole is left", () => {
    const machine = machineAt(0);
    receive(machine, 3);
    expect(told(machine.handle({ type: "caught_up" }))).toBe(false);
    const range = { log: "a", fromSeq: 1, toSeq: 2 };
    expect(told(machine.handle({ type: "filled", range, entries: [entry(1), entry(2)] }))).toBe(false);
    expect(told(machine.handle({ type: "applied" }))).toBe(true);
  });

  test("a pruned part is passed over and told", () => {
    const machine = machineAt(3);
    const told = { type: "resync", log: "a", prunedFrom: 4, prunedThrough: 9 };
    expect(machine.handle({ type: "resync_required", log: "a", prunedThrough: 9 })).toMatchObject([
      { type: "apply", batch: { steps: [told], positions: new Map([["a", 9]]) } },
    ]);
    expect(machine.handle({ type: "resync_required", log: "a", prunedThrough: 9 }), "once").toEqual([
      { type: "schedule_ack" },
    ]);
    machine.handle({ type: "applied" });
    expect(receive(machine, 9, 10)).toMatchObject([{ type: "apply", batch: { steps: steps(10) } }]);
  });

  test("what waits behind a hole that was pruned goes on behind it; of a log that has not begun nobody knows the first number", () => {
    const machine = machineAt(3);
    receive(machine, 6, 7);
    const pruned = { type: "resync", log: "a", prunedFrom: 4, prunedThrough: 6 };
    expect(machine.handle({ type: "resync_required", log: "a", prunedThrough: 6 })).toMatchObject([
      { type: "apply", batch: { steps: [pruned, ...steps(7)] } },
      // The 6 is an old one now.
      { type: "schedule_ack" },
    ]);
    const range = { log: "a", fromSeq: 4, toSeq: 5 };
    expect(machine.handle({ type: "filled", range, entries: [entry(4)] })).toEqual([]);
    machine.handle({ type: "resync_required", log: "b", prunedThrough: 2 });
    expect(machine.handle({ type: "applied" })).toMatchObject([
      {
        type: "apply",
        batch: { steps: [{ type: "resync", log: "b", prunedFrom: null, prunedThrough: 2 }] },
      },
    ]);
  });

  test("whatever breaks off, repeats or is lost, each entry is applied exactly once and in order", () => {
    const choices = fc.array(fc.nat({ max: 999 }), { minLength: 20, maxLength: 400 });
    fc.assert(
      fc.property(choices, (list) => {
        const world = new World();
        for (const choice of list) world.step(choice);
        world.settle();
        for (const log of logs) {
          const applied = world.applied.get(log) ?? [];
          const lost = (seq: number) => world.isInGap(log, seq);
          expect(applied, "S1, S2").toEqual(world.everVisible(log).filter((seq) => !lost(seq)));
          expect(applied.filter(lost), "S6").toEqual([]);
        }
        expect(world.acknowledged, "S3").toEqual(world.stored);
      }),
      { numRuns: 500 },
    );
  });
});

const logs = ["a", "b"];

/** A server, a client that crashes, and a network between them that loses, repeats and breaks off. */
class World {
  readonly server = new Map(
    logs.map((log, at) => [log, { last: at * 5, prunedThrough: 0, hidden: new Set<number>() }]),
  );
  readonly begin = new Map(logs.map((log, at) => [log, at * 5]));
  /** What survives a crash. */
  readonly stored = new Map<string, number>();
  readonly applied = new Map<string, number[]>();
  readonly acknowledged = new Map<string, number>();
  /** What the application was told that it will never see. */
  readonly gaps: Gap[] = [];
  machine = new SyncMachine<Numbered>(this.stored);
  effects: SyncEffect<Numbered>[] = [];
  /** On its way to the client. */
  wire: Numbered[] = [];
  /** Logs whose first entry the machine has seen: only in these can it know of a hole. */
  begun = new Set<string>();

  everVisible(log: string): number[] {
    const { last, hidden } = this.#log(log);
    const seqs: number[] = [];
    for (let seq = (this.begin.get(log) ?? 0) + 1; seq <= last; seq++) if (!hidden.has(seq)) seqs.push(seq);
    return seqs;
  }

  visible(log: string): number[] {
    const { prunedThrough } = this.#log(log);
    return this.everVisible(log).filter((seq) => seq > prunedThrough);
  }

  isInGap(log: string, seq: number): boolean {
    return this.gaps.some(
      (gap) => gap.log === log && seq >= (gap.prunedFrom ?? 0) && seq <= gap.prunedThrough,
    );
  }

  step(choice: number): void {
    const [kind, detail] = [choice % 10, Math.floor(choice / 10)];
    if (kind <= 2) this.append(logs[detail % 2] ?? "a", detail % 7 === 0);
    else if (kind <= 4) this.deliver(detail % 9 === 0);
    else if (kind <= 7) this.perform(detail);
    else if (kind === 8) this.connect();
    else if (detail % 4 === 0) this.crash();
    else if (detail % 5 === 0) this.stayAway(logs[detail % 2] ?? "a");
    else this.loseFirst();
  }

  append(log: string, isHidden: boolean): void {
    const state = this.#log(log);
    state.last++;
    if (isHidden) state.hidden.add(state.last);
    else this.wire.push(entry(state.last, log));
  }

  deliver(isRepeated: boolean): void {
    const [first] = this.wire;
    if (!first) return;
    if (!isRepeated) this.wire.shift();
    this.begun.add(first.log);
    this.#handle({ type: "entry", entry: first });
  }

  loseFirst(): void {
    const [first] = this.wire;
    if (first && this.begun.has(first.log)) this.wire.shift();
  }

  connect(): void {
    this.#handle({ type: "connected" });
    for (const log of logs) {
      const { prunedThrough } = this.#log(log);
      if (prunedThrough > Math.max(this.acknowledged.get(log) ?? 0, this.begin.get(log) ?? 0))
        this.#handle({ type: "resync_required", log, prunedThrough });
    }
    this.wire = logs.flatMap((log) => {
      const from = this.acknowledged.get(log) ?? 0;
      return this.visible(log)
        .filter((seq) => seq > from)
        .map((seq) => entry(seq, log));
    });
  }

  /** Away for longer than the server keeps entries for: it prunes nothing that a connected device has not acknowledged. */
  stayAway(log: string): void {
    const state = this.#log(log);
    state.prunedThrough = Math.max(state.prunedThrough, state.last - 2);
    this.connect();
  }

  /** Whatever was not stored is gone: also a commit that was under way, or an ack that nobody heard the answer of. */
  crash(): void {
    this.effects = [];
    this.machine = new SyncMachine<Numbered>(this.stored);
    this.begun = new Set(this.stored.keys());
    this.connect();
  }

  perform(detail: number): void {
    const at = detail % Math.max(1, this.effects.length);
    const [effect] = this.effects.splice(at, 1);
    if (effect) this.#complete(effect, detail);
  }

  settle(): void {
    this.connect();
    for (let rounds = 0; this.wire.length + this.effects.length > 0; rounds++) {
      if (rounds > 100_000) throw new Error("does not settle");
      this.deliver(false);
      this.perform(1);
    }
  }

  #complete(effect: SyncEffect<Numbered>, detail: number): void {
    switch (effect.type) {
      case "fill": {
        const { log, fromSeq, toSeq } = effect.range;
        const entries = this.visible(log).filter((seq) => seq >= fromSeq && seq <= toSeq);
        this.#handle({ type: "filled", range: effect.range, entries: entries.map((seq) => entry(seq, log)) });
        return;
      }
      case "apply":
        for (const step of effect.batch.steps) {
          if (step.type === "resync") {
            this.gaps.push(step);
            continue;
          }
          const { log, seq } = step.entry;
          this.applied.set(log, [...(this.applied.get(log) ?? []), seq]);
        }
        for (const [log, seq] of effect.batch.positions) this.stored.set(log, seq);
        // Now and then the process dies between the commit and what follows it.
        if (detail % 13 === 0) this.crash();
        else this.#handle({ type: "applied" });
        return;
      case "schedule_ack":
        this.#handle({ type: "ack_due" });
        return;
      case "ack":
        this.#acknowledge(effect.positions, detail);
        return;
      case "caught_up":
    }
  }

  #acknowledge(positions: ReadonlyMap<string, number>, detail: number): void {
    const isRefused = detail % 5 === 0;
    const isAnswerLost = detail % 7 === 0;
    for (const [log, seq] of positions) {
      expect(seq, "S3").toBeLessThanOrEqual(this.stored.get(log) ?? 0);
      if (!isRefused) this.acknowledged.set(log, Math.max(seq, this.acknowledged.get(log) ?? 0));
    }
    this.#handle({ type: isRefused || isAnswerLost ? "ack_failed" : "acked" });
  }

  #handle(input: SyncInput<Numbered>): void {
    this.effects.push(...this.machine.handle(input));
  }

  #log(log: string) {
    const state = this.server.get(log);
    if (!state) throw new Error("no such log");
    return state;
  }
}

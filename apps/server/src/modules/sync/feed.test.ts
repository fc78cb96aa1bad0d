import fc from "fast-check";
import type { DeviceId, LogId, UserId } from "@sotto/schema";
import { expect, test } from "vitest";
import { watchMemory } from "../../../test/memory.ts";
import type { LogEntry } from "../logs/entries.ts";
import { Feed, type FeedEvent, type FeedSink, type FeedSource } from "./feed.ts";

const reader = { userId: "user" as UserId, deviceId: "device" as DeviceId };
const logs = ["a", "b", "c"] as LogId[];

/** Logs as the database holds them, with reads that answer only when they are let. */
class World implements FeedSource, FeedSink {
  readonly ends = new Map<LogId, number>();
  readonly positions = new Map<LogId, number>();
  readonly delivered: FeedEvent[] = [];
  readonly failures: unknown[] = [];
  #waiting: (() => void)[] = [];
  reads = 0;
  /** So much is taken before the connection is full. */
  roomFor = Number.POSITIVE_INFINITY;
  #makeRoom: () => void = () => {};

  append(log: LogId): LogEntry {
    const seq = (this.ends.get(log) ?? 0) + 1;
    this.ends.set(log, seq);
    return entry(log, seq);
  }

  async listStates(_reader: unknown, only?: LogId) {
    const states = [...this.ends]
      .filter(([log]) => only === undefined || log === only)
      .map(([log, lastSeq]) => ({
        log,
        lastSeq,
        position: this.positions.get(log) ?? 0,
        prunedSeq: 0,
        startSeq: 0,
      }));
    await this.#pause();
    return states;
  }

  async readEntries(_reader: unknown, range: { log: LogId; afterSeq: number; limit: number }) {
    this.reads++;
    const end = Math.min(this.ends.get(range.log) ?? 0, range.afterSeq + range.limit);
    const page = [];
    for (let seq = range.afterSeq + 1; seq <= end; seq++) page.push(entry(range.log, seq));
    await this.#pause();
    return page;
  }

  deliver(event: FeedEvent): void {
    this.delivered.push(event);
  }

  signal(signal: FeedEvent): void {
    this.delivered.push(signal);
  }

  hasRoom(): boolean {
    return this.delivered.length < this.roomFor;
  }

  room(): Promise<void> {
    return new Promise((resolve) => (this.#makeRoom = resolve));
  }

  async widen(roomFor: number): Promise<void> {
    this.roomFor = roomFor;
    this.#makeRoom();
    await new Promise((resolve) => setImmediate(resolve));
    await this.answerAll();
  }

  fail(error: unknown): void {
    this.failures.push(error);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Lets the oldest read answer. */
  async answer(): Promise<void> {
    this.#waiting.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async answerAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.answer();
  }

  seqsOf(log: LogId): number[] {
    return this.delivered.flatMap((event) =>
      event.type === "entry" && event.entry.log === log ? [event.entry.seq] : [],
    );
  }
}

function entry(log: LogId, seq: number): LogEntry {
  const body = { type: "device_list.changed", change: "added", deviceId: "d" as DeviceId } as const;
  return { log, seq, at: "2026-01-01T00:00:00.000Z", body };
}

const step = fc.record({
  kind: fc.constantFrom("append", "appendLost", "wakeAgain", "answer", "reconcile"),
  log: fc.constantFrom(...logs),
});

test("whatever is lost, late, doubled or out of order, a resuming feed delivers each log gap-free from its position", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...logs), { maxLength: 20 }),
      fc.array(fc.nat(5), { minLength: logs.length, maxLength: logs.length }),
      fc.array(step, { maxLength: 60 }),
      async (before, acknowledged, steps) => {
        const world = new World();
        for (const log of before) world.append(log);
        for (const [i, log] of logs.entries()) {
          world.positions.set(log, Math.min(acknowledged[i] ?? 0, world.ends.get(log) ?? 0));
        }
        const feed = new Feed({ reader, source: world, sink: world, resume: true });
        void feed.start();
        for (const { kind, log } of steps) {
          const end = world.ends.get(log) ?? 0;
          if (kind === "append") feed.hear(world.append(log));
          else if (kind === "appendLost") world.append(log);
          else if (kind === "wakeAgain" && end > 0) feed.hear(entry(log, Math.max(1, end - 1)));
          else if (kind === "reconcile" && end > 0) feed.hearOf(log, end);
          else await world.answer();
        }
        await world.answerAll();
        for (const [log, end] of world.ends) feed.hearOf(log, end);
        await world.answerAll();

        for (const [log, end] of world.ends) {
          const from = world.positions.get(log) ?? 0;
          expect(world.seqsOf(log)).toEqual(Array.from({ length: end - from }, (_, i) => from + 1 + i));
        }
        expect(world.delivered.filter(({ type }) => type === "caught_up")).toHaveLength(1);
        expect(world.failures).toEqual([]);
      },
    ),
    { numRuns: 500 },
  );
});

test("an entry that follows the last one goes out without a read", async () => {
  const world = new World();
  world.append("a" as LogId);
  world.positions.set("a" as LogId, 1);
  const feed = new Feed({ reader, source: world, sink: world, resume: true });
  const started = feed.start();
  await world.answerAll();
  await started;
  feed.hear(world.append("a" as LogId));
  expect(world.seqsOf("a" as LogId)).toEqual([2]);
  expect(world.reads).toBe(0);
});

test("a connection that does not resume begins at the present end, and sees new logs whole", async () => {
  const world = new World();
  world.append("a" as LogId);
  const feed = new Feed({ reader, source: world, sink: world, resume: false });
  void feed.start();
  await world.answerAll();
  feed.hear(world.append("a" as LogId));
  world.append("b" as LogId);
  feed.hear(world.append("b" as LogId));
  await world.answerAll();
  expect(world.seqsOf("a" as LogId)).toEqual([2]);
  expect(world.seqsOf("b" as LogId)).toEqual([1, 2]);
  expect(world.delivered.some(({ type }) => type === "caught_up")).toBe(false);
});

test("a log that was pruned past the position asks for a resync and goes on above", async () => {
  const world = new World();
  for (let i = 0; i < 5; i++) world.append("a" as LogId);
  const source: FeedSource = {
    listStates: async (...args) =>
      (await world.listStates(...args)).map((state) => Object.assign(state, { prunedSeq: 3 })),
    readEntries: (...args) => world.readEntries(...args),
  };
  const feed = new Feed({ reader, source, sink: world, resume: true });
  const started = feed.start();
  await world.answerAll();
  await started;
  expect(world.delivered[0]).toEqual({ type: "resync_required", log: "a", prunedThrough: 3 });
  expect(world.seqsOf("a" as LogId)).toEqual([4, 5]);
});

test("a backlog that has no room is let go of, and read again in pages that fit", async () => {
  const world = new World();
  const limits: number[] = [];
  const source: FeedSource = {
    listStates: (...args) => world.listStates(...args),
    readEntries: (of, range) => {
      limits.push(range.limit);
      return world.readEntries(of, range);
    },
  };
  for (let i = 0; i < 100; i++) world.append("a" as LogId);
  const feed = new Feed({ reader, source, sink: world, resume: true });
  world.roomFor = 10;
  const started = feed.start();
  await world.answerAll();
  expect(world.seqsOf("a" as LogId), "no more than there is room for").toHaveLength(10);
  expect(limits).toEqual([50]);

  await world.widen(20);
  expect(world.seqsOf("a" as LogId)).toHaveLength(20);
  expect(limits, "the rest of the page was not kept").toEqual([50, 10]);

  await world.widen(Number.POSITIVE_INFINITY);
  await started;
  expect(world.seqsOf("a" as LogId)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
});

/** A feed that has started, and reads what it was not told of. */
async function readingHole(world: World, log: LogId): Promise<Feed> {
  const feed = new Feed({ reader, source: world, sink: world, resume: true });
  const started = feed.start();
  await world.answerAll();
  await started;
  world.append(log);
  feed.hear(world.append(log));
  return feed;
}

test("entries that are heard while a hole is read go out without another read", async () => {
  const world = new World();
  const log = "a" as LogId;
  world.append(log);
  world.positions.set(log, 1);
  const feed = await readingHole(world, log);
  for (let i = 0; i < 100; i++) feed.hear(world.append(log));
  // The page was read before these came.
  await world.answer();
  expect(world.seqsOf(log)).toEqual(Array.from({ length: 102 }, (_, i) => i + 2));
  expect(world.reads).toBe(1);
  feed.hear(world.append(log));
  expect(world.seqsOf(log).at(-1)).toBe(104);
});

test("a read that takes long holds nothing for each entry that is heard meanwhile", async () => {
  const world = new World();
  const log = "a" as LogId;
  const feed = await readingHole(world, log);
  const memory = watchMemory();
  for (let i = 0; i < 100_000; i++) feed.hear(world.append(log));
  memory.sample();
  expect(memory.medianBytes()).toBeLessThan(1_000_000);
  feed.close();
});

import { setTimeout as pause } from "node:timers/promises";
import type { Bench, Running } from "../bench.ts";
import type { Load } from "../load/load.ts";
import { groupIdOf, runSql } from "../people.ts";
import { Violation, type Row, type Scenario } from "../scenario.ts";
import { summarize } from "../statistics.ts";

const senders = 64;
/** Of one socket (design: 4408 above it). */
const maxBufferedBytes = 2 ** 20;
const heavyBytes = 32_768;
/** The heap may swing with what is in flight; it must not grow with what went through. */
const allowedGrowth = { factor: 1.3, bytes: 16 * 2 ** 20 };

export const soak: Scenario = {
  name: "soak",
  about:
    "64 senders for 60 s, then into 1,000 readers of whom 50 are stalled: nothing lost or doubled, memory flat",
  async run(bench) {
    await using owned = new AsyncDisposableStack();
    const members = bench.options.isQuick ? 80 : 1_000;
    const stalled = members / 20;
    const population = {
      people: Math.max(2 * senders, members),
      pairs: senders,
      groupSizes: [stalled, members],
    };
    const [server] = await bench.startAll(["sotto"], population, owned);
    const loads = bench.startLoads(3, owned);
    const [load, heavyLoad, readers] = loads;
    if (!server || !load || !heavyLoad || !readers) throw new Error("unreachable");
    const common = { server, load, heavyLoad, readers };
    const toEach = Array.from({ length: senders }, (_, n) => 2 * n + 1);
    const everyone = Array.from({ length: members }, (_, n) => n);
    return [
      ...(await soakOnce(bench, {
        ...common,
        what: `${senders} senders to pairs`,
        persons: toEach,
        stalled: 0,
        groupSize: undefined,
      })),
      ...(await soakOnce(bench, {
        ...common,
        what: `${senders} senders to ${members} readers`,
        persons: everyone,
        stalled,
        groupSize: members,
      })),
    ];
  },
};

interface Round {
  what: string;
  server: Running;
  load: Load;
  /** Sends large messages to the stalled alone, until the kernel's buffers are full too. */
  heavyLoad: Load;
  readers: Load;
  persons: number[];
  stalled: number;
  groupSize: number | undefined;
}

async function soakOnce(bench: Bench, round: Round): Promise<Row[]> {
  const { what, server, load, heavyLoad, readers, persons, stalled, groupSize } = round;
  const { target } = server;
  const durationMs = bench.options.isQuick ? 1_000 : 60_000;
  const storedBefore = await countMessages(server.databaseUrl);
  const log = groupSize === undefined ? undefined : groupIdOf(groupSize);
  await readers.run("soakReaders", { target, persons, stalled, log });
  const sending = load.run("soakSend", { target, senders, groupSize, ciphertextBytes: 256, durationMs });
  const heavy = { target, senders: 4, groupSize: stalled, ciphertextBytes: heavyBytes, durationMs };
  const heavySending = stalled > 0 ? heavyLoad.run("soakSend", heavy) : undefined;
  const heaps: number[] = [];
  for (let quarter = 1; quarter <= 4; quarter++) {
    await pause(durationMs / 4 - 100);
    heaps.push((await server.process.usage({ collects: true })).heapBytes);
  }
  const statuses = await sending;
  const heavyStatuses = (await heavySending) ?? {};
  const answered = statuses[200] ?? 0;
  const expected = groupSize === undefined ? answered : answered * (persons.length - stalled);
  const report = await readers.run("soakReport", { expected, waitMs: 20_000 });
  const missed = await resumeStalled(round);
  const stored = (await countMessages(server.databaseUrl)) - storedBefore - (heavyStatuses[200] ?? 0);
  bench.say(
    `${what}: ${JSON.stringify({ statuses, stored, heapsMib: heaps.map((heap) => Math.round(heap / 2 ** 20)) })}`,
  );
  const problems = [
    ...Object.keys({ ...statuses, ...heavyStatuses })
      .filter((status) => status !== "200")
      .map((status) => `answers ${status}`),
    ...(stored === answered ? [] : [`${answered} were answered, ${stored} are stored`]),
    ...report.problems,
    ...(missed === undefined || missed === answered ? [] : [`a stalled reader got ${missed} of ${answered}`]),
    ...(sum(report.counts) === expected ? [] : [`${sum(report.counts)} of ${expected} deliveries came`]),
    ...(isFlat(heaps, stalled) || bench.options.isQuick ? [] : [`the heap grew: ${heaps.join(", ")} bytes`]),
  ];
  if (problems.length > 0) throw new Violation(`${what}: ${problems.join("; ")}`);
  const closed = report.stalledCodes.filter((code) => code !== 0).length;
  return [
    { figure: `${what}, sends`, unit: "/s", value: summarize([(answered / durationMs) * 1000]) },
    {
      figure: `${what}, heap at a quarter and at the end`,
      unit: "MiB",
      value: summarize(heaps.map((heap) => heap / 2 ** 20)),
    },
    ...(stalled > 0
      ? [
          {
            figure: `of ${stalled} stalled, ended by the server`,
            unit: "",
            value: summarize([closed]),
            ...(!bench.options.isQuick && { goal: { atLeast: stalled } }),
          },
        ]
      : []),
  ];
}

/** One of the stalled comes back, and gets all that was sent; undefined where none was stalled. */
async function resumeStalled({
  server,
  load,
  persons,
  stalled,
  groupSize,
}: Round): Promise<number | undefined> {
  const [person] = persons;
  if (stalled === 0 || person === undefined || groupSize === undefined) return undefined;
  const input = { target: server.target, person, log: groupIdOf(groupSize), ackEvery: 1_000 };
  // The entry of the group's making is no message.
  return (await load.run("catchUp", input)).entries - 1;
}

const sum = (numbers: number[]): number => numbers.reduce((total, n) => total + n, 0);

/** A stalled socket may hold what it is closed for. */
function isFlat(heaps: number[], stalled: number): boolean {
  const [first = 0] = heaps;
  const allowed = first * allowedGrowth.factor + allowedGrowth.bytes + stalled * maxBufferedBytes;
  return (heaps.at(-1) ?? 0) <= allowed;
}

async function countMessages(url: string): Promise<number> {
  return runSql(url, async (client) => {
    const { rows } = await client.query<{ count: string }>("select count(*) from messages");
    return Number(rows[0]?.count);
  });
}

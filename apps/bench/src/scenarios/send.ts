import type { Bench, Running } from "../bench.ts";
import type { Load } from "../load/load.ts";
import type { SendResult } from "../load/send.ts";
import type { Door } from "../load/target.ts";
import { alternate, measureCost, profiled, summaryOf, type Cost } from "../measure.ts";
import { hasPgbench, runPgbench } from "../pgbench.ts";
import { Violation, type Row, type Scenario } from "../scenario.ts";

const inFlight = 32;
const pairs = 64;

interface Sample extends SendResult {
  cost: Cost;
}

export const send: Scenario = {
  name: "send",
  about:
    "durable sends a second over REST, tRPC-HTTP and tRPC-WS, 32 in flight, against pgbench and the floor",
  async run(bench) {
    await using owned = new AsyncDisposableStack();
    const population = { people: 2 * pairs, pairs };
    const [server, floor] = await bench.startAll(["sotto", "floor"], population, owned);
    const [load] = bench.startLoads(1, owned);
    if (!server || !floor || !load) throw new Error("unreachable");
    const once = (running: Running, door: Door) => sendFor(bench, { running, load, door });
    for (const running of [server, floor]) await once(running, "rest");
    const canPgbench = await hasPgbench();
    const { durationMs } = bench.options;
    const samples = await alternate<string, Sample | number>(bench, {
      rest: () => once(server, "rest"),
      floor: () => once(floor, "rest"),
      ...(canPgbench && {
        pgbench: () => runPgbench(bench, floor.databaseUrl, { clients: inFlight, pairs, durationMs }),
      }),
      "trpc-http": () => once(server, "trpc-http"),
      "trpc-ws": () => once(server, "trpc-ws"),
    });
    await profiled(bench, server.process, "send", () => once(server, "rest"));
    const of = (name: string): Sample[] =>
      (samples[name] ?? []).filter((sample): sample is Sample => typeof sample === "object");
    const pgbench = (samples["pgbench"] ?? []).filter((sample) => typeof sample === "number");
    return toRows({ of, pgbench });
  },
};

async function sendFor(
  bench: Bench,
  { running, load, door }: { running: Running; load: Load; door: Door },
): Promise<Sample> {
  const { durationMs } = bench.options;
  const { result, cost } = await measureCost(bench, running, () =>
    load.run("send", { target: running.target, door, inFlight, pairs, durationMs }),
  );
  bench.say(`${running.name} ${door}: ${Math.round((result.count / result.elapsedMs) * 1000)} sends/s`);
  if (result.failures > 0) throw new Violation(`${result.failures} sends to the ${running.name} failed`);
  return { ...result, cost };
}

const perSecond = ({ count, elapsedMs }: SendResult): number => (count / elapsedMs) * 1000;
const cpuMs = ({ cost, count }: Sample): number => cost.processMs / count;
const databaseMs = ({ cost, count }: Sample): number => (cost.databaseMs ?? Number.NaN) / count;

function toRows({ of, pgbench }: { of: (name: string) => Sample[]; pgbench: number[] }): Row[] {
  const floor = of("floor");
  const againstPgbench: Row["limit"] =
    pgbench.length > 0
      ? { name: "pgbench", value: summaryOf(pgbench, (tps) => tps) }
      : { name: "pgbench", missing: "no pgbench on PATH" };
  const sends = (name: string): Row => ({
    figure: `durable sends, ${name}, ${inFlight} in flight`,
    unit: "/s",
    value: summaryOf(of(name), perSecond),
    limit: { name: "floor", value: summaryOf(floor, perSecond) },
  });
  const costOf = (what: string, figure: (sample: Sample) => number, name = "rest"): Row => ({
    figure: what,
    unit: "ms",
    value: summaryOf(of(name), figure),
    limit: { name: "floor", value: summaryOf(floor, figure) },
  });
  return [
    { ...sends("rest"), limit: againstPgbench, goal: { atLeast: 1 } },
    sends("rest"),
    sends("trpc-http"),
    sends("trpc-ws"),
    { ...costOf("server CPU a send, REST", cpuMs), goal: { atMost: 1.8 } },
    ...["trpc-http", "trpc-ws"].map((name) => costOf(`server CPU a send, ${name}`, cpuMs, name)),
    ...(floor[0]?.cost.databaseMs === undefined ? [] : [costOf("database CPU a send, REST", databaseMs)]),
    costOf("answer to a send p50", ({ latency }) => latency.p50),
    costOf("answer to a send p99", ({ latency }) => latency.p99),
  ];
}

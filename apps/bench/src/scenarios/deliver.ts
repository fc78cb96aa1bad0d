import { alternate, summaryOf } from "../measure.ts";
import type { Goal, Row, Scenario } from "../scenario.ts";
import type { Latency } from "../statistics.ts";

type Pace = { inFlight: number } | { perSecond: number };

const paces: { pace: Pace; goals: { p50?: Goal; p99?: Goal } }[] = [
  { pace: { inFlight: 1 }, goals: { p50: { atMost: 1.5 } } },
  { pace: { inFlight: 8 }, goals: { p99: { atMost: 2 } } },
  { pace: { inFlight: 32 }, goals: {} },
  { pace: { perSecond: 50 }, goals: {} },
];

export const deliver: Scenario = {
  name: "deliver",
  about: "from a send to the frame at the peer's socket, at 1, 8 and 32 in flight and at 50 a second",
  async run(bench) {
    await using owned = new AsyncDisposableStack();
    const population = { people: 64, pairs: 32 };
    const [server, floor] = await bench.startAll(["sotto", "floor"], population, owned);
    const [load] = bench.startLoads(1, owned);
    if (!server || !floor || !load) throw new Error("unreachable");
    const rows: Row[] = [];
    for (const { pace, goals } of paces) {
      const { durationMs } = bench.options;
      const once = ({ target }: typeof server) => load.run("deliver", { target, pace, durationMs });
      for (const running of [server, floor]) await once(running);
      const samples = await alternate(bench, { server: () => once(server), floor: () => once(floor) });
      const name = "inFlight" in pace ? `${pace.inFlight} in flight` : `${pace.perSecond} a second`;
      const row = (rank: "p50" | "p99"): Row => {
        const figure = (latency: Latency): number => latency[rank];
        return {
          figure: `delivery ${rank}, ${name}`,
          unit: "ms",
          value: summaryOf(samples.server, figure),
          limit: { name: "floor", value: summaryOf(samples.floor, figure) },
          ...(goals[rank] && { goal: goals[rank] }),
        };
      };
      bench.say(`delivery, ${name}: measured`);
      rows.push(row("p50"), row("p99"));
    }
    return rows;
  },
};

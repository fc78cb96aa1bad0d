import type { Running } from "../bench.ts";
import type { FanOutResult } from "../load/fan-out.ts";
import type { SendResult } from "../load/send.ts";
import { alternate, measureCost, profiled, summaryOf, type Cost } from "../measure.ts";
import type { Row, Scenario } from "../scenario.ts";

type Sample = FanOutResult & { cost: Cost };

const perSecond = (sample: Sample): number => (sample.deliveries / sample.elapsedMs) * 1000;
const cpuUs = (sample: Sample): number => (sample.cost.processMs * 1000) / sample.deliveries;
const sendsPerSecond = ({ count, elapsedMs }: SendResult): number => (count / elapsedMs) * 1000;

export const fanOut: Scenario = {
  name: "fan-out",
  about:
    "deliveries a second in groups of 10, 100 and 1,000 who are all online, against raw ws; sends into a group",
  async run(bench) {
    await using owned = new AsyncDisposableStack();
    const groupSizes = bench.options.isQuick ? [10, 100] : [10, 100, 1000];
    const people = Math.max(128, ...groupSizes);
    const population = { people, pairs: 64, groupSizes };
    const [server, floor] = await bench.startAll(["sotto", "floor"], population, owned);
    const [load] = bench.startLoads(1, owned);
    if (!server || !floor || !load) throw new Error("unreachable");
    const { durationMs } = bench.options;
    const rows: Row[] = [];
    // First: readers that have just gone leave work behind, in the database too.
    const send = { target: server.target, door: "rest", inFlight: 32, pairs: 64, durationMs } as const;
    const largest = Math.max(...groupSizes);
    await load.run("send", send);
    const sends = await alternate(bench, {
      group: () => load.run("send", { ...send, groupSize: largest }),
      pair: () => load.run("send", send),
      small: () => load.run("send", { ...send, groupSize: 10 }),
    });
    await profiled(bench, server.process, `sends-into-${largest}`, () =>
      load.run("send", { ...send, groupSize: largest }),
    );
    rows.push({
      figure: `sends into a group of ${largest}, nobody online`,
      unit: "/s",
      value: summaryOf(sends.group, sendsPerSecond),
      limit: { name: "into 64 pairs", value: summaryOf(sends.pair, sendsPerSecond) },
      goal: { atLeast: 0.8 },
    });
    rows.push({
      figure: `sends into a group of ${largest}, nobody online`,
      unit: "/s",
      value: summaryOf(sends.group, sendsPerSecond),
      limit: { name: "into one group of 10", value: summaryOf(sends.small, sendsPerSecond) },
    });
    for (const groupSize of groupSizes) {
      const raw = await bench.start("raw", "");
      const once = async (running: Running): Promise<Sample> => {
        const work = () => load.run("fanOut", { target: running.target, groupSize, durationMs });
        const { result, cost } = await measureCost(bench, running, work);
        return { ...result, cost };
      };
      for (const running of [server, floor, raw]) await once(running);
      const samples = await alternate(bench, {
        server: () => once(server),
        floor: () => once(floor),
        raw: () => once(raw),
      });
      await profiled(bench, server.process, `fan-out-${groupSize}`, () => once(server));
      await raw[Symbol.asyncDispose]();
      const figure = `deliveries, group of ${groupSize}`;
      const value = summaryOf(samples.server, perSecond);
      const goal = groupSize === 100 ? { goal: { atLeast: 0.5 } } : {};
      rows.push(
        {
          figure,
          unit: "/s",
          value,
          limit: { name: "raw ws", value: summaryOf(samples.raw, perSecond) },
          ...goal,
        },
        { figure, unit: "/s", value, limit: { name: "floor", value: summaryOf(samples.floor, perSecond) } },
        {
          figure: `server CPU a delivery, group of ${groupSize}`,
          unit: "µs",
          value: summaryOf(samples.server, cpuUs),
          limit: { name: "raw ws", value: summaryOf(samples.raw, cpuUs) },
        },
      );
      bench.say(`group of ${groupSize}: ${Math.round(value.median)} deliveries/s`);
    }
    return rows;
  },
};

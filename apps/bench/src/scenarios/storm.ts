import { fillMessages } from "../messages.ts";
import { measureCost, profiled } from "../measure.ts";
import type { Scenario } from "../scenario.ts";
import { summarize, type Summary } from "../statistics.ts";

const pending = 5;

export const storm: Scenario = {
  name: "storm",
  about: "5,000 clients that come back at once, each with 5 messages to catch up on",
  async run(bench) {
    await using owned = new AsyncDisposableStack();
    const count = bench.options.isQuick ? 100 : 5_000;
    const pairs = count;
    const loads = bench.startLoads(2, owned);
    const databaseUrl = await bench.makeDatabase({ people: 2 * pairs, pairs }, owned);
    await fillMessages(databaseUrl, { pairs, messagesEach: pending });
    const server = owned.use(await bench.start("sotto", databaseUrl));
    const share = count / loads.length;
    const comeBack = async (): Promise<Summary[]> => {
      const startedAt = performance.now();
      const opened = await Promise.all(
        loads.map((load, n) =>
          load.run("openSockets", {
            target: server.target,
            door: "ws",
            width: share,
            first: n * share,
            last: (n + 1) * share,
          }),
        ),
      );
      const elapsedMs = performance.now() - startedAt;
      await Promise.all(loads.map((load) => load.run("closeSockets", undefined)));
      const worst = (rank: "p50" | "p99"): number => Math.max(...opened.map(({ latency }) => latency[rank]));
      const retries = opened.reduce((sum, one) => sum + one.retries, 0);
      return [elapsedMs, worst("p50"), worst("p99"), retries].map((figure) => summarize([figure]));
    };
    await comeBack();
    const { result, cost } = await measureCost(bench, server, comeBack);
    await profiled(bench, server.process, "storm", comeBack);
    const [elapsed, p50, p99, retries] = result;
    if (!elapsed || !p50 || !p99 || !retries) throw new Error("unreachable");
    return [
      { figure: `${count} clients resume at once, all level after`, unit: "ms", value: elapsed },
      { figure: `until one is level p50`, unit: "ms", value: p50 },
      { figure: `until one is level p99`, unit: "ms", value: p99 },
      { figure: "connections that were cut and tried again after 500 ms", unit: "", value: retries },
      { figure: `server CPU a resume`, unit: "ms", value: summarize([cost.processMs / count]) },
    ];
  },
};

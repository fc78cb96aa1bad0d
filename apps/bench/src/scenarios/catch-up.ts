import { fillMessages } from "../messages.ts";
import { measureCost, profiled } from "../measure.ts";
import { pairIdOf } from "../people.ts";
import { Violation, type Scenario } from "../scenario.ts";
import { summarize } from "../statistics.ts";

export const catchUp: Scenario = {
  name: "catch-up",
  about: "a device that is 100,000 messages behind, until it is level",
  async run(bench) {
    await using owned = new AsyncDisposableStack();
    const messages = bench.options.isQuick ? 1_000 : 100_000;
    const [load] = bench.startLoads(1, owned);
    const url = await bench.makeDatabase({ people: 2, pairs: 1 }, owned);
    await fillMessages(url, { pairs: 1, messagesEach: messages });
    const server = owned.use(await bench.start("sotto", url));
    if (!load) throw new Error("unreachable");
    const input = { target: server.target, log: pairIdOf(0), ackEvery: 1_000 };
    const before = await server.process.usage({ collects: true });
    const { result, cost } = await measureCost(bench, server, () =>
      load.run("catchUp", { ...input, person: 1 }),
    );
    if (result.entries !== messages) throw new Violation(`${result.entries} of ${messages} came`);
    const after = await server.process.usage({ collects: true });
    await profiled(bench, server.process, "catch-up", () => load.run("catchUp", { ...input, person: 0 }));
    return [
      { figure: `${messages} entries behind, level after`, unit: "ms", value: summarize([result.elapsedMs]) },
      { figure: "entries", unit: "/s", value: summarize([(result.entries / result.elapsedMs) * 1000]) },
      { figure: "server CPU an entry", unit: "µs", value: summarize([(cost.processMs * 1000) / messages]) },
      {
        figure: "heap that stays",
        unit: "MiB",
        value: summarize([Math.max(0, after.heapBytes - before.heapBytes) / 2 ** 20]),
      },
    ];
  },
};

import { findFreePort } from "../../../server/test/free-port.ts";
import { waitUntilAnswers, type Kind } from "../bench.ts";
import { alternate, summaryOf } from "../measure.ts";
import type { Scenario } from "../scenario.ts";

export const coldStart: Scenario = {
  name: "cold-start",
  about: "from the start of the process to its first 2xx, on a migrated database",
  async run(bench) {
    await using owned = new AsyncDisposableStack();
    const databaseUrl = await bench.makeDatabase({ people: 2, pairs: 1 }, owned);
    const once = async (kind: Kind): Promise<number> => {
      const port = await findFreePort();
      const startedAt = performance.now();
      await using process = bench.launch(kind, { port, databaseUrl });
      await waitUntilAnswers(`http://127.0.0.1:${port}/health`, process);
      return performance.now() - startedAt;
    };
    for (const kind of ["sotto", "floor"] as const) await once(kind);
    const samples = await alternate(bench, { server: () => once("sotto"), floor: () => once("floor") });
    return [
      {
        figure: "cold start to the first 2xx",
        unit: "ms",
        value: summaryOf(samples.server, (ms) => ms),
        limit: { name: "floor", value: summaryOf(samples.floor, (ms) => ms) },
        goal: { atMost: 2.5 },
      },
    ];
  },
};

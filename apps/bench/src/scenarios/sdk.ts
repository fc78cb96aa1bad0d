import { alternate, profiled, summaryOf } from "../measure.ts";
import type { Scenario } from "../scenario.ts";
import type { Latency } from "../statistics.ts";

interface Sample {
  latency: Latency;
  sendsPerSecond?: number;
}

export const sdk: Scenario = {
  name: "sdk",
  about: "seal, send, deliver and open with the SDK, against the same calls without encryption",
  async run(bench) {
    await using owned = new AsyncDisposableStack();
    const [server] = await bench.startAll(["sotto"], { people: 2, pairs: 1 }, owned);
    const [load] = bench.startLoads(1, owned);
    if (!server || !load) throw new Error("unreachable");
    const input = { target: server.target, durationMs: bench.options.durationMs };
    await profiled(bench, load.process, "sdk", () => load.run("sdkSealed", input));
    await load.run("sdkPlain", input);
    const samples = await alternate<"sealed" | "plain", Sample>(bench, {
      sealed: () => load.run("sdkSealed", input),
      plain: async () => ({ latency: await load.run("sdkPlain", input) }),
    });
    return [
      {
        figure: "seal, send, deliver, open with the SDK p50",
        unit: "ms",
        value: summaryOf(samples.sealed, ({ latency }) => latency.p50),
        limit: { name: "unsealed", value: summaryOf(samples.plain, ({ latency }) => latency.p50) },
        goal: { atMost: 2 },
      },
      {
        figure: "sealed sends of one SDK client, 32 at once",
        unit: "/s",
        value: summaryOf(samples.sealed, ({ sendsPerSecond = Number.NaN }) => sendsPerSecond),
      },
    ];
  },
};

import type { Kind, Running } from "../bench.ts";
import type { Load } from "../load/load.ts";
import { type Row, type Scenario } from "../scenario.ts";
import { summarize } from "../statistics.ts";

type Door = "ws" | "trpc" | "raw";

export const idle: Scenario = {
  name: "idle",
  about: "memory of an idle subscribed connection, 10,000 of them, against raw ws",
  async run(bench) {
    await using owned = new AsyncDisposableStack();
    const count = bench.options.isQuick ? 100 : 10_000;
    const loads = bench.startLoads(2, owned);
    const databaseUrl = await bench.makeDatabase({ people: count, pairs: count / 2 }, owned);
    // Each on a process of its own: what an earlier one left in a heap would count for the next.
    const measure = async (kind: Kind, door: Door) => {
      const running = await bench.start(kind, databaseUrl);
      const bytes = await measureMemory({ running, loads, door, count });
      await running[Symbol.asyncDispose]();
      bench.say(`${running.name} ${door}: ${Math.round(bytes.rss / 1024)} KiB a connection`);
      return bytes;
    };
    const raw = await measure("raw", "raw");
    const plain = await measure("sotto", "ws");
    const trpc = await measure("sotto", "trpc");
    const row = (figure: string, of: "rss" | "heap", bytes: { rss: number; heap: number }): Row => ({
      figure,
      unit: "KiB",
      value: summarize([bytes[of] / 1024]),
      limit: { name: "raw ws", value: summarize([raw[of] / 1024]) },
      ...(of === "rss" && { goal: { atMost: 2 } }),
    });
    return [
      row(`resident memory of each of ${count} on /ws?resume=1`, "rss", plain),
      row(`resident memory of each of ${count} on sync.subscribe`, "rss", trpc),
      row(`heap of each of ${count} on /ws?resume=1`, "heap", plain),
      row(`heap of each of ${count} on sync.subscribe`, "heap", trpc),
    ];
  },
};

async function measureMemory(options: { running: Running; loads: Load[]; door: Door; count: number }) {
  const { running, loads, door, count } = options;
  const { target, process } = running;
  const share = count / loads.length;
  const warm = { target, door, width: 16, first: 0, last: 16 };
  await loads[0]?.run("openSockets", warm);
  await loads[0]?.run("closeSockets", undefined);
  const before = await process.usage({ collects: true });
  await Promise.all(
    loads.map((load, n) => load.run("openSockets", { ...warm, first: n * share, last: (n + 1) * share })),
  );
  const after = await process.usage({ collects: true });
  await Promise.all(loads.map((load) => load.run("closeSockets", undefined)));
  return {
    rss: (after.rssBytes - before.rssBytes) / count,
    heap: (after.heapBytes - before.heapBytes) / count,
  };
}

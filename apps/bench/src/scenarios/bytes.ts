import { runSql } from "../people.ts";
import type { Scenario } from "../scenario.ts";
import { summarize } from "../statistics.ts";

export const bytes: Scenario = {
  name: "bytes",
  about: "bytes a stored message of 256 bytes takes, with its indexes, in a pair and in a group",
  async run(bench) {
    await using owned = new AsyncDisposableStack();
    const population = { people: 128, pairs: 64, groupSizes: [100] };
    const [server] = await bench.startAll(["sotto"], population, owned);
    const [load] = bench.startLoads(1, owned);
    if (!server || !load) throw new Error("unreachable");
    const durationMs = bench.options.isQuick ? 500 : 10_000;
    const send = { target: server.target, door: "rest", inFlight: 32, pairs: 64, durationMs } as const;
    const rows = [];
    for (const [where, groupSize] of [
      ["pair", undefined],
      ["group of 100", 100],
    ] as const) {
      const before = await readSize(server.databaseUrl);
      const { count } = await load.run("send", { ...send, ...(groupSize !== undefined && { groupSize }) });
      const after = await readSize(server.databaseUrl);
      rows.push({
        figure: `bytes a message of 256 bytes, ${where}`,
        unit: "B",
        value: summarize([(after - before) / count]),
        goal: { atMost: 700 },
      });
    }
    return rows;
  },
};

/** Of all tables with their indexes, once what is dead is swept. */
async function readSize(url: string): Promise<number> {
  return runSql(url, async (client) => {
    await client.query("vacuum");
    const { rows } = await client.query<{ size: string }>(
      `select sum(pg_total_relation_size(c.oid)) as size from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'`,
    );
    return Number(rows[0]?.size);
  });
}

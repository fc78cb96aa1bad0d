import type { Running } from "../bench.ts";
import { fillMessages } from "../messages.ts";
import { pairIdOf, runSql, sqlId } from "../people.ts";
import { summaryOf } from "../measure.ts";
import type { Row, Scenario } from "../scenario.ts";
import type { Latency } from "../statistics.ts";

/** All of them are the reader's: the first person is given a part in each. */
const conversations = 100;
const middle = "2026-01-01T00:00:50Z";
const ids = Array.from({ length: conversations }, (_, n) => pairIdOf(n));

const routes: Record<string, string[]> = {
  inbox: ["/messages/inbox"],
  history: ids.map((id) => `/messages/history?conversation_id=${id}`),
  "history before a time": ids.map((id) => `/messages/history?conversation_id=${id}&before=${middle}`),
  summary: ["/messages/conversations_summary"],
  search: ids.map((id) => `/messages/search?conversation_id=${id}&sender_device_id=d&since=${middle}`),
};

export const reads: Scenario = {
  name: "reads",
  about: "inbox, history, summary and search at 10 k and 1 M messages (10 M with --full) against 10 k",
  async run(bench) {
    const sizes = bench.options.isQuick
      ? [10_000]
      : [10_000, 1_000_000, ...(bench.options.isFull ? [10_000_000] : [])];
    await using owned = new AsyncDisposableStack();
    const [load] = bench.startLoads(1, owned);
    if (!load) throw new Error("unreachable");
    const servers: Running[] = [];
    for (const size of sizes) {
      bench.say(`filling ${size.toLocaleString("en")} messages`);
      const url = await bench.makeDatabase({ people: 2 * conversations, pairs: conversations }, owned);
      await fillMessages(url, { pairs: conversations, messagesEach: size / conversations, undelivered: 4 });
      await joinAll(url);
      servers.push(owned.use(await bench.start("sotto", url)));
    }
    const rows: Row[] = [];
    for (const [name, paths] of Object.entries(routes)) {
      const samples: Latency[][] = servers.map(() => []);
      for (let round = 0; round <= bench.options.rounds; round++) {
        for (const [index, { target }] of servers.entries()) {
          const durationMs = bench.options.durationMs / 2;
          const latency = await load.run("read", { target, person: 0, paths, durationMs });
          // The first round warms up.
          if (round > 0) samples[index]?.push(latency);
        }
      }
      const small = summaryOf(samples[0] ?? [], ({ p50 }) => p50);
      for (const [index, size] of sizes.entries()) {
        const value = summaryOf(samples[index] ?? [], ({ p50 }) => p50);
        const isSmall = index === 0;
        rows.push({
          figure: `${name} p50 at ${size.toLocaleString("en")} messages`,
          unit: "ms",
          value,
          ...(!isSmall && { limit: { name: "at 10,000", value: small } }),
          ...(!isSmall && name !== "search" && { goal: { atMost: size > 1_000_000 ? 2 : 1.5 } }),
        });
      }
    }
    return rows;
  },
};

/** Puts the first person into every conversation, in the place of whoever had the even number. */
async function joinAll(url: string): Promise<void> {
  const first = sqlId(0, "0");
  const pairs = `generate_series(1, ${conversations - 1}) p`;
  const replace = (table: string, column: string): string =>
    `update ${table} t set ${column} = ${first} from ${pairs}
      where t.conversation_id = ${sqlId(2, "p")} and t.${column} = ${sqlId(0, "2 * p")}`;
  await runSql(url, async (client) => {
    await client.query(
      `update conversations t set user_a = ${first} from ${pairs} where t.id = ${sqlId(2, "p")}`,
    );
    await client.query(replace("conversation_members", "user_id"));
    await client.query(replace("marks", "user_id"));
    await client.query(`update positions t set user_id = ${first} from ${pairs}
      where t.log_id = ${sqlId(2, "p")} and t.user_id = ${sqlId(0, "2 * p")}`);
    await client.query("vacuum (analyze)");
  });
}

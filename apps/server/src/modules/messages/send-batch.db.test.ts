import { sql } from "kysely";
import { expect, test } from "vitest";
import { createTestDatabase } from "../../../test/database.ts";
import { openDatabase } from "../../db/db.ts";
import { batchText, laneSettings } from "./send-batch.queries.ts";

test.each(["never analysed", "analysed while empty"])(
  "each look-up of a batch has its index, in a database that was %s",
  async (how) => {
    await using database = await createTestDatabase();
    await using lane = openDatabase({ url: database.url, maxConnections: 1, settings: laneSettings });
    if (how !== "never analysed") await sql`vacuum (freeze, analyze)`.execute(lane.db);
    await sql.raw(`prepare batch as ${batchText}`).execute(lane.db);
    const noSends = Array(10).fill("'{}'").join(", ");
    const { rows } = await sql
      .raw<{ "QUERY PLAN": string }>(`explain (costs off) execute batch (${noSends}, now())`)
      .execute(lane.db);
    expect((await sql`show jit`.execute(lane.db)).rows).toEqual([{ jit: "off" }]);
    const plan = rows.map((row) => row["QUERY PLAN"].trim());
    expect(plan.filter((line) => /Seq Scan|Bitmap|Hash|Merge/.test(line))).toEqual([]);
    const indexes = plan.flatMap((line) => /(?:Index|Index Only) Scan using (\w+)/.exec(line)?.[1] ?? []);
    expect(indexes.toSorted()).toEqual([
      "conversation_members_present",
      "conversations_by_pair",
      "conversations_pkey",
      "conversations_pkey",
      "devices_pkey",
      "messages_once",
      "session_devices_pkey",
    ]);
  },
);

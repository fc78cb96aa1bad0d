import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { expect, test, vi } from "vitest";
import { createTestDatabase } from "../../../test/database.ts";
import { rest, signInWithDevice } from "../../../test/rest-client.ts";
import { runSql } from "../../../test/sql.ts";
import { startTestServer } from "../../../test/test-server.ts";

test("a removal waits for an ack of the device, and never crosses it", async () => {
  await using database = await createTestDatabase();
  const [{ name } = {}] = await runSql(database.url, "select current_database() as name");
  // As the planner may do with a large table: rows come as they stand in it.
  await runSql(database.url, `alter database "${String(name)}" set enable_indexscan = off`);
  await using server = await startTestServer({ database });
  const phone = await signInWithDevice(server.url, "phone");
  await signInWithDevice(server.url, "tablet", phone.phone);
  const [low, high] = [randomUUID(), randomUUID()].toSorted();
  // They stand in the table against the order of their ids, in which an ack locks them.
  await runSql(
    server.database.url,
    `insert into positions (user_id, device_id, log_id, seq)
      values ('${phone.id}', 'tablet', '${high}', 0), ('${phone.id}', 'tablet', '${low}', 0)`,
  );
  const acking = new Client({ connectionString: server.database.url });
  await acking.connect();
  try {
    const ack = (log: string | undefined) =>
      acking.query("update positions set seq = 1 where device_id = 'tablet' and log_id = $1", [log]);
    await acking.query("begin");
    await ack(low);
    const removing = rest(server.url, "DELETE /keys/devices/tablet", { token: phone.token });
    await vi.waitFor(async () => {
      const { rows } = await acking.query(
        "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      );
      expect(rows).toHaveLength(1);
    });
    await ack(high);
    await acking.query("commit");
    expect(await removing).toMatchObject({ status: 200 });
  } finally {
    await acking.end();
  }
  const left = await runSql(
    server.database.url,
    "select device_id from positions where device_id = 'tablet'",
  );
  expect(left).toEqual([]);
});

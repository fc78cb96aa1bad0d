import { sql } from "kysely";
import { afterAll, expect, test } from "vitest";
import { rest, sendTo, signInWithDevice } from "../../test/rest-client.ts";
import { startTestServer } from "../../test/test-server.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { app, url } = server;

/** What was written to a table, as far as the connections have told. */
async function readWrites(table: string): Promise<{ updated: number; hot: number; inserted: number }> {
  const { rows } = await sql<{ updated: number; hot: number; inserted: number }>`
    select n_tup_upd as updated, n_tup_hot_upd as hot, n_tup_ins as inserted
    from pg_stat_user_tables where relname = ${table}
  `.execute(app.db);
  return rows[0] ?? { updated: 0, hot: 0, inserted: 0 };
}

test(
  "the rows that every send and ack updates stay on their pages, and marks are never updated",
  { timeout: 60_000 },
  async () => {
    const [ada, bob] = [await signInWithDevice(url, "phone"), await signInWithDevice(url, "phone")];
    const sends = 400;
    for (let i = 1; i <= sends; i++) {
      const sent = await sendTo(
        url,
        { token: ada.token, deviceId: "phone" },
        { to: bob.id, ciphertext: "c" },
      );
      const positions = [{ log: sent["conversation_id"], seq: i }];
      const answer = await rest(url, "POST /trpc/sync.ack", { token: bob.token, body: { positions } });
      expect(answer.status).toBe(200);
    }
    // Connections tell what they did when they are next idle, so the last of them is waited for.
    const flush = sql`select pg_stat_force_next_flush()`;
    for (const table of ["conversations", "account_logs", "positions", "marks", "messages"]) {
      const count = async (): Promise<number> => {
        await Promise.all(Array.from({ length: 8 }, () => flush.execute(app.db)));
        const { updated, inserted } = await readWrites(table);
        return updated + inserted;
      };
      await expect.poll(count, { timeout: 20_000, message: table }).toBeGreaterThan(sends * 0.9);
    }
    for (const table of ["conversations", "account_logs", "positions"]) {
      const { updated, hot } = await readWrites(table);
      expect(updated, table).toBeGreaterThan(sends * 0.9);
      expect(hot / updated, table).toBeGreaterThan(0.95);
    }
    expect((await readWrites("marks")).updated).toBe(0);
    expect((await readWrites("messages")).updated).toBe(0);
  },
);

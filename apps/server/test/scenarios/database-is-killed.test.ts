import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { startEmbeddedPostgres } from "../../src/db/embedded-postgres.ts";
import { findFreePort } from "../free-port.ts";
import { newPair } from "../contract/people.ts";
import { sendTo } from "../rest-client.ts";
import { runSql } from "../sql.ts";
import { startTestServer } from "../test-server.ts";
import { Writers } from "../writers.ts";

test("nothing that was answered is lost when PostgreSQL is killed amid batches, and nothing is stored twice by the retry", async () => {
  const dataDir = path.join(await mkdtemp(path.join(tmpdir(), "sotto-killed-")), "data");
  await using postgres = await startEmbeddedPostgres({ dataDir, port: await findFreePort() });
  const database = { url: postgres.url, [Symbol.asyncDispose]: async () => {} };
  await using server = await startTestServer({ database });
  const [alice, bob] = await newPair(server.url);
  const writers = new Writers(16, (clientMessageId) =>
    sendTo(server.url, alice, { to: bob.id, ciphertext: `text of ${clientMessageId}`, clientMessageId }),
  );
  const { answered, unanswered } = writers;
  await expect.poll(() => answered.size, { timeout: 20_000 }).toBeGreaterThan(300);
  const real = await readFile(path.join(dataDir, "postmaster.pid"), "utf8");
  process.kill(Number(real.split("\n")[0]), "SIGKILL");
  await expect.poll(() => unanswered.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(16);
  await writers.stop();

  for (const clientMessageId of unanswered) {
    await expect
      .poll(() => writers.send(clientMessageId).then(() => "sent", String), { timeout: 20_000 })
      .toBe("sent");
  }
  const rows = await runSql(postgres.url, "select id, seq from messages order by seq");
  expect(rows.map(({ id }) => String(id)).toSorted()).toEqual([...answered.values()].toSorted());
  expect(rows.map(({ seq }) => Number(seq))).toEqual(rows.map((_, i) => i + 1));
}, 60_000);

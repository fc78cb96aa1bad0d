import { Client } from "pg";
import { expect, test } from "vitest";
import { createTestDatabase } from "./database.ts";
import { getRedisUrl } from "./redis-url.ts";

test("a test database is a migrated one of its own", async () => {
  await using first = await createTestDatabase();
  await using second = await createTestDatabase();
  const client = new Client({ connectionString: first.url });
  // Dropped while connected, as a test that fails would leave it.
  client.on("error", () => {});
  await client.connect();
  const { rows } = await client.query(
    "SELECT 1 FROM information_schema.tables WHERE table_schema = 'public'",
  );
  expect(rows.length).toBeGreaterThan(0);
  expect(first.url).not.toBe(second.url);
});

test("there is a Redis", () => {
  expect(getRedisUrl()).toMatch(/^rediss?:/);
});

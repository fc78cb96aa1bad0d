import { join } from "node:path";
import { expect, test } from "vitest";
import { createTestDatabase } from "../../test/database.ts";
import { runSql } from "../../test/sql.ts";
import { openDatabase } from "./db.ts";
import { migrate } from "./migrate.ts";
import { dumpSchema } from "./schema-dump.ts";

test("schema.sql is what the migrations make", async () => {
  await using test = await createTestDatabase();
  await using database = openDatabase({ url: test.url, maxConnections: 2 });
  const advice = "The migrations make another schema: `npm run schema:dump` writes it down";
  await expect(await dumpSchema(database.db), advice).toMatchFileSnapshot(
    join(import.meta.dirname, "schema.sql"),
  );
});

test("the dump shows columns, defaults, keys, checks, indexes and comments", async () => {
  await using test = await createTestDatabase();
  await using database = openDatabase({ url: test.url, maxConnections: 2 });
  const before = await dumpSchema(database.db);
  for (const change of [
    "ALTER TABLE users ADD COLUMN extra integer NOT NULL DEFAULT 7",
    "ALTER TABLE users ADD CONSTRAINT extra_positive CHECK (extra > 0)",
    "CREATE INDEX users_by_extra ON users (extra)",
    "COMMENT ON COLUMN users.extra IS 'it''s extra'",
    "ALTER TABLE users ALTER COLUMN name SET NOT NULL",
    "CREATE TABLE another (id uuid PRIMARY KEY)",
  ]) {
    const last = await dumpSchema(database.db);
    await runSql(test.url, change);
    expect(await dumpSchema(database.db), change).not.toBe(last);
  }
  expect(await dumpSchema(database.db)).toContain("extra integer not null default 7");
  await runSql(test.url, "DROP TABLE another");
  await runSql(test.url, "ALTER TABLE users DROP COLUMN extra, ALTER COLUMN name DROP NOT NULL");
  expect(await dumpSchema(database.db)).toBe(before);
});

test("migrating again changes nothing, also when several begin at once", async () => {
  await using test = await createTestDatabase();
  await runSql(test.url, "DROP SCHEMA public CASCADE");
  await runSql(test.url, "CREATE SCHEMA public");
  await using database = openDatabase({ url: test.url, maxConnections: 8 });
  await Promise.all(Array.from({ length: 4 }, () => migrate(database.db)));
  const once = await dumpSchema(database.db);
  await migrate(database.db);
  expect(await dumpSchema(database.db)).toBe(once);
  expect(once).toContain("create table messages");
});

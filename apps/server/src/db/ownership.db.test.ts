import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { createTestDatabase } from "../../test/database.ts";
import { runSql } from "../../test/sql.ts";

const page = readFileSync(path.join(import.meta.dirname, "../../../../docs/SCALING.md"), "utf8");
/** Table to owner and first column of its key, as the page says. */
const stated = new Map(
  [...page.matchAll(/^\| `(\w+)` \| ([^|]+) \| `(\w+)` \|$/gm)].map(
    ([, table = "", owner = "", column = ""]) => [table, { owner, column }],
  ),
);

test("every table's key begins with its owner, as docs/SCALING.md says", async () => {
  await using database = await createTestDatabase();
  const rows = await runSql(
    database.url,
    `select c.relname as table, a.attname as column from pg_class c
     left join pg_index i on i.indrelid = c.oid and i.indisprimary
     left join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
     where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and c.relname not like 'kysely%'`,
  );
  const found = Object.fromEntries(rows.map((row) => [String(row["table"]), row["column"]]));
  expect(Object.fromEntries([...stated].map(([table, { column }]) => [table, column]))).toEqual(found);
  for (const [table, { owner, column }] of stated) {
    const own = table === `${owner}s` ? "id" : `${owner}_id`;
    if (["conversation", "user", "session", "blob"].includes(owner)) expect(column, table).toBe(own);
  }
});

test("a foreign key leads to a row of the same owner, and none stands on the tables of conversations", async () => {
  await using database = await createTestDatabase();
  const keys = await runSql(
    database.url,
    `select k.conrelid::regclass::text as table, k.confrelid::regclass::text as target, f.attname as from, t.attname as to
     from pg_constraint k
     join pg_attribute f on f.attrelid = k.conrelid and f.attnum = k.conkey[1]
     join pg_attribute t on t.attrelid = k.confrelid and t.attnum = k.confkey[1]
     where k.contype = 'f' and k.connamespace = 'public'::regnamespace`,
  );
  expect(keys.length).toBeGreaterThan(5);
  for (const { table, target, from, to } of keys) {
    const [source, other] = [stated.get(String(table)), stated.get(String(target))];
    expect(source?.owner, String(table)).not.toBe("conversation");
    // A session's devices are the one exception that the page names: they stay on one node.
    if (source?.owner === "session") continue;
    expect({ owner: source?.owner, from }, String(table)).toEqual({
      owner: other?.owner,
      from: source?.column,
    });
    expect(to, String(target)).toBe(other?.column);
  }
});

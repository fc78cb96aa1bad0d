import { Client } from "pg";

/**
 * Runs statements that write very many rows: without the indexes, which are built at the end and so take a
 * fraction of the time, and without looking at foreign keys, which have to hold by construction. Primary
 * keys stay. Leaves every table vacuumed and analysed.
 */
export async function bulkFill(url: string, statements: string[]): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: indexes } = await client.query<{ name: string; definition: string }>(`
      select i.indexrelid::regclass as name, pg_get_indexdef(i.indexrelid) as definition
      from pg_index i join pg_class t on t.oid = i.indrelid
      where t.relnamespace = 'public'::regnamespace
        and not exists (select from pg_constraint c where c.conindid = i.indexrelid)`);
    const all = [
      "set session_replication_role = replica",
      "set synchronous_commit = off",
      "set work_mem = '128MB'",
      "set maintenance_work_mem = '256MB'",
      ...indexes.map(({ name }) => `drop index ${name}`),
      ...statements,
      ...indexes.map(({ definition }) => definition),
      "vacuum (freeze, analyze)",
    ];
    for (const statement of all) await client.query(statement);
  } finally {
    await client.end();
  }
}

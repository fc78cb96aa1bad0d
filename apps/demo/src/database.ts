import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Client, escapeIdentifier } from "pg";

const embeddedPort = 5444;

/** The database of the server that the demo talks to: `DB_URL`, else the embedded one. */
export async function connectDatabase(dataDir: string): Promise<Client> {
  const url = process.env["DB_URL"] ?? (await embeddedUrl(dataDir));
  const client = new Client({ connectionString: url.replace(/^postgresql\+\w+:/, "postgresql:") });
  await client.connect();
  return client;
}

async function embeddedUrl(dataDir: string): Promise<string> {
  const password = await readFile(join(`${dataDir}.password`), "utf8").catch(() => {
    throw new Error(
      "The server's database is not the embedded one of this folder: set DB_URL to look into it.",
    );
  });
  return `postgresql://postgres:${password}@127.0.0.1:${embeddedPort}/chat`;
}

export interface StoredMessage {
  id: string;
  ciphertext: string;
  wraps: number;
}

export async function listStored(database: Client, ids: string[]): Promise<StoredMessage[]> {
  const { rows } = await database.query<StoredMessage>(
    `select id, ciphertext, (select count(*)::integer from jsonb_object_keys(coalesce(wraps, '{}'))) as wraps
     from messages where id = any($1) order by sent_at, seq`,
    [ids],
  );
  return rows;
}

/** The tables of the whole database in which any of the texts stands in any column. */
export async function searchEverywhere(database: Client, texts: string[]): Promise<string[]> {
  const { rows: tables } = await database.query<{ name: string }>(
    "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const table = escapeIdentifier(name);
    const { rows } = await database.query(
      `select from ${table} as t where exists (select from unnest($1::text[]) as s(text) where strpos(t::text, s.text) > 0) limit 1`,
      [texts],
    );
    if (rows.length > 0) found.push(name);
  }
  return found;
}

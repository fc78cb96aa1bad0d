import { sql } from "kysely";
import type { Db } from "./db.ts";

/**
 * The schema as SQL text, from the catalogue: tables with their columns, constraints and indexes
 * by name. The same for the same schema, on whichever PostgreSQL and in whichever order it was made.
 */
export async function dumpSchema(db: Db): Promise<string> {
  const tables = await listTables(db);
  const texts = await Promise.all(tables.map((table) => dumpTable(db, table)));
  return `-- The migrated schema, for reading and for diffs. Made by \`npm run schema:dump\`.\n\n${texts.join("\n")}`;
}

async function listTables(db: Db): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_class
    where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace and relname not like 'kysely%'
    order by relname collate "C"
  `.execute(db);
  return rows.map(({ name }) => name);
}

async function dumpTable(db: Db, table: string): Promise<string> {
  const [columns, constraints, settings, indexes, comments] = await Promise.all([
    listColumns(db, table),
    listConstraints(db, table),
    listSettings(db, table),
    listIndexes(db, table),
    listComments(db, table),
  ]);
  const body = [...columns, ...constraints].map((line) => `  ${line}`).join(",\n");
  return [`create table ${table} (\n${body}\n);`, ...settings, ...indexes, ...comments, ""].join("\n");
}

async function listColumns(db: Db, table: string): Promise<string[]> {
  const { rows } = await sql<{ line: string }>`
    select a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
      || case when a.attnotnull then ' not null' else '' end
      || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as line
    from pg_attribute a
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = ${table}::regclass and a.attnum > 0 and not a.attisdropped
    order by a.attnum
  `.execute(db);
  return rows.map(({ line }) => line);
}

async function listConstraints(db: Db, table: string): Promise<string[]> {
  // PostgreSQL 18 lists "not null" among the constraints.
  const { rows } = await sql<{ line: string }>`
    select 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) as line from pg_constraint
    where conrelid = ${table}::regclass and contype <> 'n'
    order by contype, conname collate "C"
  `.execute(db);
  return rows.map(({ line }) => line);
}

async function listSettings(db: Db, table: string): Promise<string[]> {
  const { rows } = await sql<{ setting: string }>`
    select unnest(reloptions) as setting from pg_class where oid = ${table}::regclass order by 1
  `.execute(db);
  return rows.map(({ setting }) => `alter table ${table} set (${setting.replace("=", " = ")});`);
}

async function listIndexes(db: Db, table: string): Promise<string[]> {
  const { rows } = await sql<{ line: string }>`
    select pg_get_indexdef(i.indexrelid) || ';' as line
    from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = ${table}::regclass
      and not exists (select from pg_constraint where conindid = i.indexrelid and contype in ('p', 'u', 'x'))
    order by c.relname collate "C"
  `.execute(db);
  return rows.map(({ line }) => line.replace(" ON public.", " ON "));
}

async function listComments(db: Db, table: string): Promise<string[]> {
  const { rows } = await sql<{ line: string }>`
    select case when d.objsubid = 0 then 'comment on table ' || ${table}
        else 'comment on column ' || ${table} || '.' || a.attname end
      || ' is ' || quote_literal(d.description) || ';' as line
    from pg_description d
    left join pg_attribute a on a.attrelid = d.objoid and a.attnum = d.objsubid
    where d.objoid = ${table}::regclass and d.classoid = 'pg_class'::regclass
    order by d.objsubid
  `.execute(db);
  return rows.map(({ line }) => line);
}

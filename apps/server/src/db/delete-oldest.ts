import { sql } from "kysely";
import type { Db, Tx } from "./db.ts";
import type { Tables } from "./tables.ts";

/** What has had its time by `before`; at most `limit` rows at once. */
export interface Expiry {
  before: Date;
  limit: number;
}

/**
 * Deletes the oldest rows of a table by an index on the column; gives how many. Rows that others hold
 * are left for the next time, so that it waits for nobody.
 */
export async function deleteOldest<Table extends keyof Tables>(
  db: Db | Tx,
  from: { table: Table; column: Extract<keyof Tables[Table], string> },
  { before, limit }: Expiry,
): Promise<number> {
  const [table, column] = [sql.table(from.table), sql.ref(from.column)];
  const { numAffectedRows } = await sql`
    delete from ${table} where ctid = any(array(
      select ctid from ${table} where ${column} < ${before} order by ${column} limit ${limit}
      for update skip locked
    ))
  `.execute(db);
  return Number(numAffectedRows ?? 0n);
}

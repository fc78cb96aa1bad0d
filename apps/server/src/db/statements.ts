import { CompiledQuery } from "kysely";
import type { Db, Tx } from "./db.ts";

const names = new Map<string, string>();

/** By which name a statement is run, if by any. */
export const nameOf = (text: string): string | undefined => names.get(text);

/**
 * A statement that PostgreSQL parses and plans once for each connection. Its text is fixed, and so is
 * what it is planned for: not for one whose best plan depends on the values.
 */
export function prepare<Row>(name: string, text: string) {
  names.set(text, name);
  return async (db: Db | Tx, values: readonly unknown[]): Promise<Row[]> =>
    (await db.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows;
}

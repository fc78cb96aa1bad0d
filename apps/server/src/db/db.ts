import { Kysely, PostgresDialect, type Transaction } from "kysely";
import pg from "pg";
import type { Tables } from "./tables.ts";

export type Db = Kysely<Tables>;
export type Tx = Transaction<Tables>;

export interface Database extends AsyncDisposable {
  db: Db;
}

interface DatabaseOptions {
  url: string;
  maxConnections: number;
  /** Called when an idle connection breaks: the pool replaces it by itself. */
  onError?: (error: Error) => void;
}

const int8Oid = 20;

/** Numbers of logs stay far below 2^53, so `bigint` columns are read as numbers. */
const types = {
  getTypeParser: ((oid: number, format?: "text") =>
    oid === int8Oid ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.maxConnections,
    types,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    application_name: "sotto",
  });
  pool.on("error", options.onError ?? (() => {}));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return { db, [Symbol.asyncDispose]: () => db.destroy() };
}

/** The name of the constraint that a statement broke, or undefined for any other error. */
export function brokenUniqueConstraint(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError && error.code === "23505" ? error.constraint : undefined;
}

import {
  Kysely,
  PostgresDialect,
  type PostgresCursor,
  type PostgresPool,
  type PostgresPoolClient,
  type PostgresQueryResult,
  type Transaction,
} from "kysely";
import pg from "pg";
import { nameOf } from "./statements.ts";
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
  /** What each connection is set to before it is used. */
  settings?: Record<string, string>;
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
  // Not as startup parameters, which PgBouncer refuses.
  const settings = Object.entries(options.settings ?? {}).map(([name, value]) => `set ${name} = ${value}`);
  pool.on("connect", (client) => {
    // One that breaks while it is lent, between two statements, is found by the next; unheard it would end the process.
    client.on("error", () => {});
    if (settings.length > 0) client.query(settings.join("; ")).catch(() => {});
  });
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: namingPool(pool) }) });
  return { db, [Symbol.asyncDispose]: () => db.destroy() };
}

/** Kysely itself never names a statement, so that PostgreSQL would parse and plan it at each call. */
function namingPool(pool: pg.Pool): PostgresPool {
  const known = new WeakMap<pg.PoolClient, PostgresPoolClient>();
  return {
    options: pool.options,
    end: () => pool.end(),
    connect: async () => {
      const client = await pool.connect();
      const naming = known.get(client) ?? namingClient(client);
      known.set(client, naming);
      return naming;
    },
  };
}

function namingClient(client: pg.PoolClient): PostgresPoolClient {
  function query<Row>(sql: string, values: readonly unknown[]): Promise<PostgresQueryResult<Row>>;
  function query<Row>(cursor: PostgresCursor<Row>): PostgresCursor<Row>;
  function query(text: string | PostgresCursor<unknown>, values: readonly unknown[] = []): unknown {
    if (typeof text !== "string") throw new Error("Nothing here reads by cursors");
    return client.query({ name: nameOf(text), text, values: [...values] });
  }
  return { query, release: (destroy) => client.release(destroy) };
}

/** The name of the constraint that a statement broke, or undefined for any other error. */
export function brokenUniqueConstraint(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError && error.code === "23505" ? error.constraint : undefined;
}

/** Whether the statement failed with an error after which its transaction has certainly stored nothing. */
export function hasRolledBack(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.severity === "ERROR";
}

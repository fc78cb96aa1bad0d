import { chmodSync, closeSync, existsSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { Bytes } from "@sotto/schema";
import type { ListOptions, Store, StoreItem, StoreWrite } from "./store.ts";
import { decodeValue, encodeValue } from "./value-codec.ts";

const maxRows = 2 ** 31;

/** One SQLite file: the items as they were given, and a header beside them. */
export interface SqliteFile {
  store: Store;
  readHeader(): Bytes | undefined;
  /**
   * The header, and the present items anew, in one transaction: throws, and has changed nothing, or is done. Nothing of
   * what was there before stays in the file, once there was room to compact it: else that is for the next opening.
   */
  replace(header: Bytes, writes: readonly StoreWrite[]): void;
}

/** Throws as SQLite and the file system do, and so does all that it gives. */
export function openSqliteFile(path: string): SqliteFile {
  const database = openDatabase(path);
  const select = database.prepare("select value from items where key = ?");
  const upsert = database.prepare(
    "insert into items (key, value) values (?, ?) on conflict (key) do update set value = excluded.value",
  );
  const remove = database.prepare("delete from items where key = ?");

  const write = ({ key, value }: StoreWrite): void => {
    if (value === undefined) remove.run(key);
    else upsert.run(key, encodeValue(value));
  };
  const inTransaction = (run: () => void): void => {
    database.exec("begin immediate");
    try {
      run();
      database.exec("commit");
    } catch (error) {
      if (database.isTransaction) database.exec("rollback");
      throw error;
    }
  };

  const store: Store = {
    get: async (key) => readValue(select.get(key)?.["value"]),
    list: async (prefix, options) => selectItems(database, prefix, options),
    commit: async (writes) => inTransaction(() => writes.forEach(write)),
    close: async () => {
      if (database.isOpen) database.close();
    },
  };
  return {
    store,
    readHeader: () => {
      const value = database.prepare("select value from header").get()?.["value"];
      return value instanceof Uint8Array ? new Uint8Array(value) : undefined;
    },
    replace: (header, writes) => {
      inTransaction(() => {
        writes.forEach(write);
        database
          .prepare(
            "insert into header (id, value) values (1, ?) on conflict (id) do update set value = excluded.value",
          )
          .run(header);
        if (writes.length > 0) database.exec("pragma user_version = 1");
      });
      compact(database);
    },
  };
}

/**
 * Pages that are not in use may hold what was deleted before deleting overwrote it, and the log what was replaced.
 * `user_version` says that such pages are to go. That takes room for another copy of the file, and what was committed
 * holds without it.
 */
function compact(database: DatabaseSync): void {
  try {
    const isDue = database.prepare("pragma user_version").get()?.["user_version"] === 1;
    if (isDue) database.exec("vacuum");
    database.exec("pragma wal_checkpoint(truncate)");
    if (isDue) database.exec("pragma user_version = 0");
  } catch {
    // The next opening tries again.
  }
}

function openDatabase(path: string): DatabaseSync {
  makeFile(path);
  const database = new DatabaseSync(path);
  try {
    // Exclusive: the lock is taken by the first access and held until the process closes the file or ends.
    database.exec("pragma locking_mode = exclusive");
    database.exec("pragma journal_mode = wal");
    database.exec("pragma synchronous = full");
    // What is deleted, an old key above all, is overwritten and not only forgotten.
    database.exec("pragma secure_delete = on");
    database.exec("begin immediate");
    database.exec(
      "create table if not exists items (key text primary key, value blob not null) without rowid",
    );
    database.exec(
      "create table if not exists header (id integer primary key check (id = 1), value blob not null)",
    );
    database.exec("commit");
    compact(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Made with its mode before SQLite opens it; the files that SQLite puts beside it get the same mode. One that is there
 * is not opened: to close it would drop the locks that another store of this process holds on it (POSIX).
 */
function makeFile(path: string): void {
  if (existsSync(path)) chmodSync(path, 0o600);
  else closeSync(openSync(path, "ax", 0o600));
}

function selectItems(
  database: DatabaseSync,
  prefix: string,
  { after, limit = maxRows, isReversed = false }: ListOptions = {},
): StoreItem[] {
  // 0x7f follows every printable ASCII character.
  const end = `${prefix}\u007f`;
  const [from, to] = isReversed ? [prefix, after ?? end] : [after ?? prefix, end];
  const rows = database
    .prepare(
      isReversed
        ? "select key, value from items where key >= ? and key < ? order by key desc limit ?"
        : `select key, value from items where key ${after === undefined ? ">=" : ">"} ? and key < ? order by key limit ?`,
    )
    .all(from, to, limit);
  return rows.map((row) => ({ key: String(row["key"]), value: readValue(row["value"]) }));
}

function readValue(stored: unknown): unknown {
  return stored instanceof Uint8Array ? decodeValue(stored) : undefined;
}

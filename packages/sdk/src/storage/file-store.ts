import { chmodSync, closeSync, existsSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { decode, encode } from "cborg";
import { SottoError } from "../errors.ts";
import type { ListOptions, Store, StoreItem, StoreWrite } from "./store.ts";

const maxRows = 2 ** 31;

/**
 * A store in one SQLite file, for Node 22.13 and later. The file holds the device's secret keys and unread texts:
 * it is made readable for its owner only (0600). Commits survive a crash of the process and of the machine.
 * Throws {@link SottoError} `STORE_LOCKED` while another client, in this process or another one, has it open.
 *
 * @example
 * ```ts
 * const client = await createClient({ url: "https://chat.example", store: fileStore("alice.sotto") });
 * ```
 */
export function fileStore(path: string): Store {
  const database = openDatabase(path);
  const select = database.prepare("select value from items where key = ?");
  const upsert = database.prepare(
    "insert into items (key, value) values (?, ?) on conflict (key) do update set value = excluded.value",
  );
  const remove = database.prepare("delete from items where key = ?");

  const write = ({ key, value }: StoreWrite): void => {
    if (value === undefined) remove.run(key);
    else upsert.run(key, encode(value));
  };

  return {
    get: async (key) => readValue(select.get(key)?.["value"]),
    list: async (prefix, options) => selectItems(database, prefix, options),
    commit: async (writes) => {
      database.exec("begin immediate");
      try {
        for (const one of writes) write(one);
        database.exec("commit");
      } catch (error) {
        if (database.isTransaction) database.exec("rollback");
        throw error;
      }
    },
    close: async () => {
      if (database.isOpen) database.close();
    },
  };
}

function openDatabase(path: string): DatabaseSync {
  makeFile(path);
  const database = new DatabaseSync(path);
  try {
    // Exclusive: the lock is taken by the first access and held until the process closes the file or ends.
    database.exec("pragma locking_mode = exclusive");
    database.exec("pragma journal_mode = wal");
    database.exec("pragma synchronous = full");
    database.exec("begin immediate");
    database.exec(
      "create table if not exists items (key text primary key, value blob not null) without rowid",
    );
    database.exec("commit");
    return database;
  } catch (error) {
    database.close();
    if (isBusy(error)) throw new SottoError("STORE_LOCKED", { cause: error });
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

/** SQLITE_BUSY and SQLITE_LOCKED with their extended codes. */
function isBusy(error: unknown): boolean {
  if (!(error instanceof Error) || !("errcode" in error)) return false;
  const code = Number(error.errcode) & 0xff;
  return code === 5 || code === 6;
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
  return stored instanceof Uint8Array ? decode(stored) : undefined;
}

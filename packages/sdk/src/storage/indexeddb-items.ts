import type { DBSchema, IDBPDatabase, IDBPObjectStore, StoreNames } from "idb";
import { SottoError } from "../errors.ts";
import type { ListOptions, Store, StoreItem, StoreWrite } from "./store.ts";

export interface StoreDb extends DBSchema {
  items: { key: string; value: unknown };
  /** The key that values are encrypted with. */
  keys: { key: string; value: CryptoKey };
  /** Tabs that may not commit any more, by id; under `owner`, where tabs cannot share, the only one that may. */
  tabs: { key: string; value: string };
}

export type TabsStore = IDBPObjectStore<StoreDb, ArrayLike<StoreNames<StoreDb>>, "tabs", "readwrite">;

/**
 * Stands in the transaction of each commit. Throws where this tab may not commit, or gives requests of which one then
 * fails with `ConstraintError`, and the commit with it.
 */
export type Fence = (tabs: TabsStore) => Promise<Promise<unknown>[]>;

/**
 * The items of a database as they were given. A commit is one transaction that is on the disk when it resolves. Throws
 * `STORE_LOCKED` where this tab may not commit.
 *
 * A transaction that is open shuts others out until the page that opened it goes on, or the browser loses patience
 * (Chromium after a minute). Hence each is told to end at once, which the browser does without the page, wherever what
 * it does is known when it begins.
 */
export function indexedDbItems(db: IDBPDatabase<StoreDb>, fence: Fence): Store {
  return {
    keepsCryptoKeys: true,
    get: (key) => readAtOnce(db, "items", (items) => items.get(key)),
    list: (prefix, options) => selectItems(db, prefix, options),
    commit: (writes) => commit(db, writes, fence),
    close: async () => db.close(),
  };
}

/** What `read` asks for at once, and nothing after that. */
export async function readAtOnce<Name extends StoreNames<StoreDb>, T>(
  db: IDBPDatabase<StoreDb>,
  name: Name,
  read: (store: IDBPObjectStore<StoreDb, [Name], Name>) => Promise<T>,
): Promise<T> {
  const tx = db.transaction(name);
  const reading = read(tx.store);
  tx.commit();
  return reading;
}

async function commit(db: IDBPDatabase<StoreDb>, writes: readonly StoreWrite[], fence: Fence): Promise<void> {
  const tx = db.transaction(["items", "tabs"], "readwrite", { durability: "strict" });
  const asked: Promise<unknown>[] = [tx.done];
  try {
    const [items, tabs] = [tx.objectStore("items"), tx.objectStore("tabs")];
    asked.push(...(await fence(tabs)));
    for (const { key, value } of writes) {
      asked.push(value === undefined ? items.delete(key) : items.put(value, key));
    }
    tx.commit();
  } catch (error) {
    // What cannot be cloned is thrown at once; what was asked for before must not be kept.
    tx.abort();
    await Promise.allSettled(asked);
    throw error;
  }
  await Promise.all(asked).catch((error: unknown) => {
    const isFenced = error instanceof DOMException && error.name === "ConstraintError";
    throw isFenced ? new SottoError("STORE_LOCKED", { cause: error }) : error;
  });
}

async function selectItems(
  db: IDBPDatabase<StoreDb>,
  prefix: string,
  { after, limit, isReversed = false }: ListOptions = {},
): Promise<StoreItem[]> {
  // 0x7f follows every printable ASCII character.
  const end = `${prefix}\u007f`;
  if (isReversed) {
    const to = after !== undefined && after < end ? after : end;
    if (to <= prefix) return [];
    return readBackwards(db, IDBKeyRange.bound(prefix, to, false, true), limit);
  }
  const isAfter = after !== undefined && after >= prefix;
  const from = isAfter ? after : prefix;
  if (from >= end) return [];
  const range = IDBKeyRange.bound(from, end, isAfter, true);
  const [keys, values] = await readAtOnce(db, "items", (items) =>
    Promise.all([items.getAllKeys(range, limit), items.getAll(range, limit)]),
  );
  return keys.map((key, at) => ({ key, value: values[at] }));
}

/** Indexed Database API 3.0: one request, which Chromium has had since version 141. */
interface ReadsRecords {
  getAllRecords(options: {
    query: IDBKeyRange;
    count?: number | undefined;
    direction: IDBCursorDirection;
  }): Promise<StoreItem[]>;
}

/** Elsewhere it goes by a cursor, whose transaction is open from step to step. */
async function readBackwards(
  db: IDBPDatabase<StoreDb>,
  query: IDBKeyRange,
  limit: number | undefined,
): Promise<StoreItem[]> {
  if ("getAllRecords" in IDBObjectStore.prototype) {
    const records = await readAtOnce(db, "items", (store) =>
      (store as typeof store & ReadsRecords).getAllRecords({ query, count: limit, direction: "prev" }),
    );
    return records.map(({ key, value }) => ({ key, value }));
  }
  const { store } = db.transaction("items");
  const items: StoreItem[] = [];
  for (let cursor = await store.openCursor(query, "prev"); cursor; cursor = await cursor.continue()) {
    items.push({ key: cursor.key, value: cursor.value });
    if (items.length === limit) break;
  }
  return items;
}

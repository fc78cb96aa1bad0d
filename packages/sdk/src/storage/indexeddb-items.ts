import type { DBSchema, IDBPCursorWithValue, IDBPDatabase, IDBPObjectStore, StoreNames } from "idb";
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
 * (Chromium after a minute). Hence each is told to end at once, which the browser does without the page.
 */
export function indexedDbItems(db: IDBPDatabase<StoreDb>, fence: Fence): Store {
  return {
    keepsCryptoKeys: true,
    get: (key) => get(db, key),
    list: (prefix, options) => selectItems(db, prefix, options),
    commit: (writes) => commit(db, writes, fence),
    close: async () => db.close(),
  };
}

async function get(db: IDBPDatabase<StoreDb>, key: string): Promise<unknown> {
  const tx = db.transaction("items");
  const value = tx.store.get(key);
  tx.commit();
  return value;
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
  const tx = db.transaction("items");
  if (isReversed) {
    const to = after !== undefined && after < end ? after : end;
    if (to <= prefix) return [];
    return readBackwards(
      await tx.store.openCursor(IDBKeyRange.bound(prefix, to, false, true), "prev"),
      limit,
    );
  }
  const isAfter = after !== undefined && after >= prefix;
  const from = isAfter ? after : prefix;
  if (from >= end) return [];
  const range = IDBKeyRange.bound(from, end, isAfter, true);
  const read = Promise.all([tx.store.getAllKeys(range, limit), tx.store.getAll(range, limit)]);
  tx.commit();
  const [keys, values] = await read;
  return keys.map((key, at) => ({ key, value: values[at] }));
}

type Cursor = IDBPCursorWithValue<StoreDb, ["items"], "items">;

async function readBackwards(first: Cursor | null, limit = Infinity): Promise<StoreItem[]> {
  const items: StoreItem[] = [];
  for (let cursor = first; cursor && limit > 0; cursor = await cursor.continue()) {
    items.push({ key: cursor.key, value: cursor.value });
    if (items.length >= limit) break;
  }
  return items;
}

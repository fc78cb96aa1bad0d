import type { DBSchema, IDBPCursorWithValue, IDBPDatabase } from "idb";
import { SottoError } from "../errors.ts";
import type { ListOptions, Store, StoreItem, StoreWrite } from "./store.ts";

export interface StoreDb extends DBSchema {
  items: { key: string; value: unknown };
  /** The key that values are encrypted with. */
  keys: { key: string; value: CryptoKey };
  /** Tabs that may not commit any more, by id; under `owner`, where tabs cannot share, the only one that may. */
  tabs: { key: string; value: string };
}

/** Asked in the transaction of each commit, with the store `tabs`: false refuses it. */
export type MayCommit = (get: (key: string) => Promise<string | undefined>) => Promise<boolean>;

/**
 * The items of a database as they were given. A commit is one transaction that is on the disk when it resolves. Throws
 * `STORE_LOCKED` where this tab may not commit.
 */
export function indexedDbItems(db: IDBPDatabase<StoreDb>, mayCommit: MayCommit): Store {
  return {
    keepsCryptoKeys: true,
    get: (key) => db.get("items", key),
    list: (prefix, options) => selectItems(db, prefix, options),
    commit: (writes) => commit(db, writes, mayCommit),
    close: async () => db.close(),
  };
}

async function commit(
  db: IDBPDatabase<StoreDb>,
  writes: readonly StoreWrite[],
  mayCommit: MayCommit,
): Promise<void> {
  const tx = db.transaction(["items", "tabs"], "readwrite", { durability: "strict" });
  const asked: Promise<unknown>[] = [tx.done];
  try {
    const [items, tabs] = [tx.objectStore("items"), tx.objectStore("tabs")];
    if (!(await mayCommit((key) => tabs.get(key)))) throw new SottoError("STORE_LOCKED");
    for (const { key, value } of writes) {
      asked.push(value === undefined ? items.delete(key) : items.put(value, key));
    }
  } catch (error) {
    // What cannot be cloned is thrown at once; what was asked for before must not be kept.
    tx.abort();
    await Promise.allSettled(asked);
    throw error;
  }
  await Promise.all(asked);
}

async function selectItems(
  db: IDBPDatabase<StoreDb>,
  prefix: string,
  { after, limit, isReversed = false }: ListOptions = {},
): Promise<StoreItem[]> {
  // 0x7f follows every printable ASCII character.
  const end = `${prefix}\u007f`;
  const { store } = db.transaction("items");
  if (isReversed) {
    const to = after !== undefined && after < end ? after : end;
    if (to <= prefix) return [];
    return readBackwards(await store.openCursor(IDBKeyRange.bound(prefix, to, false, true), "prev"), limit);
  }
  const isAfter = after !== undefined && after >= prefix;
  const from = isAfter ? after : prefix;
  if (from >= end) return [];
  const range = IDBKeyRange.bound(from, end, isAfter, true);
  const [keys, values] = await Promise.all([store.getAllKeys(range, limit), store.getAll(range, limit)]);
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

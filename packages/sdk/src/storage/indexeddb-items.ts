import type { DBSchema, IDBPCursorWithValue, IDBPDatabase } from "idb";
import type { ListOptions, Store, StoreItem, StoreWrite } from "./store.ts";

export interface StoreDb extends DBSchema {
  items: { key: string; value: unknown };
  /** The key that values are encrypted with. */
  keys: { key: string; value: CryptoKey };
}

/** The items of a database as they were given. A commit is one transaction that is on the disk when it resolves. */
export function indexedDbItems(db: IDBPDatabase<StoreDb>): Store {
  return {
    keepsCryptoKeys: true,
    get: (key) => db.get("items", key),
    list: (prefix, options) => selectItems(db, prefix, options),
    commit: (writes) => commit(db, writes),
    close: async () => db.close(),
  };
}

async function commit(db: IDBPDatabase<StoreDb>, writes: readonly StoreWrite[]): Promise<void> {
  const tx = db.transaction("items", "readwrite", { durability: "strict" });
  const asked: Promise<unknown>[] = [tx.done];
  try {
    for (const { key, value } of writes) {
      asked.push(value === undefined ? tx.store.delete(key) : tx.store.put(value, key));
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
  for (let cursor = first; cursor && items.length < limit; cursor = await cursor.continue()) {
    items.push({ key: cursor.key, value: cursor.value });
  }
  return items;
}

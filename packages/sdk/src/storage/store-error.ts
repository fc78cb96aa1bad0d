import { type AnySottoError, SottoError, makeError } from "../errors.ts";
import type { Store } from "./store.ts";

/** SQLITE_BUSY and SQLITE_LOCKED, SQLITE_CORRUPT and SQLITE_NOTADB. */
const sqliteCodes = new Map<number, "STORE_LOCKED" | "STORE_DAMAGED">([
  [5, "STORE_LOCKED"],
  [6, "STORE_LOCKED"],
  [11, "STORE_DAMAGED"],
  [26, "STORE_DAMAGED"],
]);

/** Whatever broke in here, as the SDK's one error. What no call has named is of the store, the spool or what is in them. */
export function toStoreError(error: unknown): AnySottoError {
  if (error instanceof SottoError) return error;
  return makeError(sqliteCodes.get(sqliteCode(error)) ?? "STORE_FAILED", { cause: error });
}

/** Without what an extended code adds in its upper bytes. */
function sqliteCode(error: unknown): number {
  return error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
}

/** Runs what reads or writes a store. Throws {@link SottoError}. */
export async function withStoreErrors<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw toStoreError(error);
  }
}

const guarded = new WeakSet<Store>();

/** The same store, which throws nothing but {@link SottoError}; the SDK's own ones do so already. */
export function guardedStore(inner: Store): Store {
  if (guarded.has(inner)) return inner;
  const store: Store = {
    keepsCryptoKeys: inner.keepsCryptoKeys,
    tabs: inner.tabs,
    get: (key) => withStoreErrors(() => inner.get(key)),
    list: (prefix, options) => withStoreErrors(() => inner.list(prefix, options)),
    commit: (writes) => withStoreErrors(() => inner.commit(writes)),
    close: () => withStoreErrors(() => inner.close()),
  };
  guarded.add(store);
  return store;
}

import { type IDBPDatabase, openDB } from "idb";
import { generateAesKey } from "../crypto/primitives.ts";
import { SottoError, invalidInput } from "../errors.ts";
import { encryptedStore } from "./encrypted-store.ts";
import { evictionMarker } from "./eviction-marker.ts";
import { type StoreDb, type TabsStore, indexedDbItems, readAtOnce } from "./indexeddb-items.ts";
import { isStoreVersionKey } from "./migrate-store.ts";
import { guardedStore, toStoreError, withStoreErrors } from "./store-error.ts";
import type { Store, StoreWrite } from "./store.ts";
import { BrowserTabs, type DeposedTabs } from "../tabs/browser-tabs.ts";

/** How a store in the browser is opened. */
export interface IndexedDbStoreOptions {
  /**
   * Asks the browser to keep the data when space gets short (`navigator.storage.persist`). Firefox asks the user, the
   * others decide by themselves; `navigator.storage.persisted()` tells. False by default.
   */
  isPersistenceRequested?: boolean | undefined;
  /** `begin_anew` takes an empty store where the browser has deleted one: this becomes a new device. */
  whenEvicted?: "throw" | "begin_anew" | undefined;
}

const databaseVersion = 2;
const atRestKey = "at-rest";

/**
 * A store in the browser's IndexedDB, one database for each `name`. Values are encrypted with an AES-256-GCM key that
 * script cannot read out, and the device's identity key is kept as a `CryptoKey` that script can use but not copy. The
 * browser keeps both in its profile: against whoever takes the disk, only the disk's encryption helps.
 *
 * Several tabs may have it open, and act as one client (docs/SDK.md, "Several tabs"). In browsers that lack Web Locks or
 * `BroadcastChannel`, the tab that opened it last has it; to the others everything that writes throws `STORE_LOCKED`.
 *
 * Throws {@link SottoError} `STORE_EVICTED` when the browser has deleted what was there (as far as that can be told: see
 * docs/SECURITY.md), `STORE_TOO_NEW`, `STORE_DAMAGED`, and `STORE_FAILED` where IndexedDB is refused.
 *
 * @example
 * ```ts
 * const store = await indexedDbStore("alice", { isPersistenceRequested: true });
 * const client = await createClient({ url: "https://chat.example", store });
 * ```
 */
export async function indexedDbStore(name: string, options: IndexedDbStoreOptions = {}): Promise<Store> {
  if (name === "") throw invalidInput("name");
  const db = await openDatabase(name);
  try {
    return guardedStore(await openItems(db, name, options));
  } catch (error) {
    db.close();
    throw toStoreError(error);
  }
}

async function openItems(
  db: IDBPDatabase<StoreDb>,
  name: string,
  options: IndexedDbStoreOptions,
): Promise<Store> {
  const marker = evictionMarker(name);
  const isEmpty = !(await hasMoreThan(db, 0));
  if (isEmpty && marker.isSet()) {
    if (options.whenEvicted !== "begin_anew") throw new SottoError("STORE_EVICTED");
    marker.clear();
  }
  if (options.isPersistenceRequested) await navigator.storage.persist();
  const key = await findOrMakeKey(db, isEmpty);
  return encryptedStore(withMarker(await shareItems(db, name), { db, marker }), key);
}

async function openDatabase(name: string): Promise<IDBPDatabase<StoreDb>> {
  try {
    return await openDB<StoreDb>(`sotto/${name}`, databaseVersion, {
      upgrade: (db, before) => {
        if (before < 1) {
          db.createObjectStore("items");
          db.createObjectStore("keys");
        }
        db.createObjectStore("tabs");
      },
      // A newer version in another tab wants to open it, or somebody deletes it: this one must let go.
      blocking: (_present, _wanted, event) => {
        if (event.target instanceof IDBDatabase) event.target.close();
      },
    });
  } catch (error) {
    const isNewer = error instanceof DOMException && error.name === "VersionError";
    throw new SottoError(isNewer ? "STORE_TOO_NEW" : "STORE_FAILED", { cause: error });
  }
}

/** Another tab may do the same at the same time: the first one's key counts. */
async function findOrMakeKey(db: IDBPDatabase<StoreDb>, isEmpty: boolean): Promise<CryptoKey> {
  const present = await db.get("keys", atRestKey);
  if (present) return present;
  if (!isEmpty) throw new SottoError("STORE_DAMAGED");
  const made = await generateAesKey();
  const tx = db.transaction("keys", "readwrite", { durability: "strict" });
  const earlier = await tx.store.get(atRestKey);
  if (!earlier) await tx.store.put(made, atRestKey);
  await tx.done;
  return earlier ?? made;
}

/** Without counting them all. */
async function hasMoreThan(db: IDBPDatabase<StoreDb>, items: number): Promise<boolean> {
  const keys = await readAtOnce(db, "items", (all) => all.getAllKeys(undefined, items + 1));
  return keys.length > items;
}

const isKept = ({ key, value }: StoreWrite): boolean => value !== undefined && !isStoreVersionKey(key);

/** Several tabs share them; where the browser has no means for that, the tab that has opened them last has them. */
async function shareItems(db: IDBPDatabase<StoreDb>, name: string): Promise<Store> {
  const deposed: DeposedTabs = {
    add: (tabIds) => writeTabs(db, (tabs) => tabIds.map((id) => tabs.put("deposed", id))),
    remove: (tabIds) => writeTabs(db, (tabs) => tabIds.map((id) => tabs.delete(id))),
    list: () => withStoreErrors(() => readAtOnce(db, "tabs", (tabs) => tabs.getAllKeys())),
  };
  const tabs = await BrowserTabs.open(`sotto/${name}`, deposed);
  if (!tabs) {
    const ownId = crypto.randomUUID();
    await writeTabs(db, (owners) => [owners.put(ownId, "owner")]);
    return indexedDbItems(db, async (owners) => {
      if ((await owners.get("owner")) !== ownId) throw new SottoError("STORE_LOCKED");
      return [];
    });
  }
  // There is no room to add the mark of a tab that has it: nothing needs to be read first.
  const items = indexedDbItems(db, async (marks) => [marks.add("deposed", tabs.id), marks.delete(tabs.id)]);
  return {
    ...items,
    tabs,
    commit: async (writes) => {
      try {
        await items.commit(writes);
      } catch (error) {
        if (error instanceof SottoError && error.code === "STORE_LOCKED") tabs.onDeposed();
        throw error;
      }
    },
    close: async () => {
      tabs.close();
      await items.close();
    },
  };
}

function writeTabs(db: IDBPDatabase<StoreDb>, write: (tabs: TabsStore) => Promise<unknown>[]): Promise<void> {
  return withStoreErrors(async () => {
    const tx = db.transaction("tabs", "readwrite", { durability: "strict" });
    const written = write(tx.store);
    tx.commit();
    await Promise.all([...written, tx.done]);
  });
}

/** Sets the marker once something is kept, and takes it away when a commit has left nothing. */
function withMarker(
  items: Store,
  { db, marker }: { db: IDBPDatabase<StoreDb>; marker: ReturnType<typeof evictionMarker> },
): Store {
  return {
    ...items,
    commit: async (writes) => {
      await items.commit(writes);
      if (writes.some(isKept)) marker.set();
      else if (writes.length > 0 && !(await hasMoreThan(db, 1))) marker.clear();
    },
  };
}

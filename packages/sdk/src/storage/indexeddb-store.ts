import { type IDBPDatabase, openDB } from "idb";
import { generateAesKey } from "../crypto/primitives.ts";
import { SottoError, invalidInput } from "../errors.ts";
import { encryptedStore } from "./encrypted-store.ts";
import { evictionMarker } from "./eviction-marker.ts";
import { type StoreDb, indexedDbItems } from "./indexeddb-items.ts";
import { isStoreVersionKey } from "./migrate-store.ts";
import type { Store, StoreWrite } from "./store.ts";

export interface IndexedDbStoreOptions {
  /**
   * Asks the browser to keep the data when space gets short (`navigator.storage.persist`). Firefox asks the user, the
   * others decide by themselves; `navigator.storage.persisted()` tells. False by default.
   */
  isPersistenceRequested?: boolean | undefined;
  /** `begin_anew` takes an empty store where the browser has deleted one: this becomes a new device. */
  whenEvicted?: "throw" | "begin_anew" | undefined;
}

const databaseVersion = 1;
const atRestKey = "at-rest";

/**
 * A store in the browser's IndexedDB, one database for each `name`. Values are encrypted with an AES-256-GCM key that
 * script cannot read out, and the device's identity key is kept as a `CryptoKey` that script can use but not copy. The
 * browser keeps both in its profile: against whoever takes the disk, only the disk's encryption helps.
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
  const marker = evictionMarker(name);
  try {
    const isEmpty = (await db.count("items")) === 0;
    if (isEmpty && marker.isSet()) {
      if (options.whenEvicted !== "begin_anew") throw new SottoError("STORE_EVICTED");
      marker.clear();
    }
    if (options.isPersistenceRequested) await navigator.storage.persist();
    const key = await findOrMakeKey(db, isEmpty);
    return encryptedStore(withMarker(db, marker), key);
  } catch (error) {
    db.close();
    throw error;
  }
}

async function openDatabase(name: string): Promise<IDBPDatabase<StoreDb>> {
  try {
    return await openDB<StoreDb>(`sotto/${name}`, databaseVersion, {
      upgrade: (db) => {
        db.createObjectStore("items");
        db.createObjectStore("keys");
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

const isKept = ({ key, value }: StoreWrite): boolean => value !== undefined && !isStoreVersionKey(key);

/** Sets the marker once something is kept, and takes it away when a commit has left nothing. */
function withMarker(db: IDBPDatabase<StoreDb>, marker: ReturnType<typeof evictionMarker>): Store {
  const items = indexedDbItems(db);
  return {
    ...items,
    commit: async (writes) => {
      await items.commit(writes);
      if (writes.some(isKept)) marker.set();
      else if (writes.length > 0 && (await db.count("items")) <= 1) marker.clear();
    },
  };
}

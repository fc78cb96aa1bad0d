import * as z from "zod/mini";
import { SottoError } from "../errors.ts";
import { toVersion2 } from "./migrations/to-version-2.ts";
import { toVersion3 } from "./migrations/to-version-3.ts";
import { defineRecord } from "./records.ts";
import type { Store, StoreWrite } from "./store.ts";

/**
 * What turns a store of one version into one of the next: reads what it needs, gives what is to be written. A change
 * of a record's name, parts or schema that does not read what is stored needs one. One that has been released is
 * never changed: it must know the old schemas by itself.
 */
export type Migration = (store: Store) => Promise<StoreWrite[]>;

/** The first of them makes version 2 of version 1, and so on. */
const migrations: readonly Migration[] = [toVersion2, toVersion3];

const versionRecord = defineRecord("store-version", z.int().check(z.minimum(1)));

/** The version alone is nothing that somebody could miss. */
export const isStoreVersionKey = (key: string): boolean => key === storeVersionWrite.key;

/** Belongs into the commit that empties a store: what is written next is of this version. */
export const storeVersionWrite: StoreWrite = versionRecord.put([], migrations.length + 1);

/**
 * Brings a store to the present version, each step in one commit together with its number: after a crash it goes on
 * where it was. A store without a number is empty, or of version 1. Throws `STORE_TOO_NEW`, having changed nothing, and
 * `STORE_DAMAGED`.
 */
export async function migrateStore(store: Store, steps: readonly Migration[] = migrations): Promise<void> {
  const latest = steps.length + 1;
  const stored = await versionRecord.get(store);
  const isEmpty = stored === undefined && (await store.list("", { limit: 1 })).length === 0;
  const version = stored ?? (isEmpty ? latest : 1);
  if (version > latest) throw new SottoError("STORE_TOO_NEW");
  if (stored === undefined) await store.commit([versionRecord.put([], version)]);
  // A tab of the old version must not write by the old schemas any more.
  if (version < latest) await store.tabs?.deposeOthers();
  for (const [at, migrate] of steps.entries()) {
    const next = at + 2;
    if (next > version) await store.commit([...(await run(migrate, store)), versionRecord.put([], next)]);
  }
}

/** What a step cannot read, by the old schemas that it has of its own, is damaged. */
async function run(migrate: Migration, store: Store): Promise<StoreWrite[]> {
  try {
    return await migrate(store);
  } catch (error) {
    throw error instanceof SottoError ? error : new SottoError("STORE_DAMAGED", { cause: error });
  }
}

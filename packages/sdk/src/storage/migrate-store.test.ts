import { describe, expect, test } from "vitest";
import { memoryStore } from "./memory-store.ts";
import { type Migration, migrateStore } from "./migrate-store.ts";
import type { Store } from "./store.ts";

/** Renames what is under `a/`; that it ran twice, or on the wrong version, would show. */
const rename: Migration = async (store) => {
  const items = await store.list("a/");
  return items.flatMap(({ key, value }) => [
    { key, value: undefined },
    { key: key.replace("a/", "b/"), value },
  ]);
};
const double: Migration = async (store) =>
  (await store.list("b/")).map(({ key, value }) => ({ key, value: Number(value) * 2 }));
const fail: Migration = async () => Promise.reject(new Error("ran"));
const steps = [rename, double];

async function oldStore(): Promise<Store> {
  const store = memoryStore();
  await store.commit([
    { key: "a/1", value: 1 },
    { key: "a/2", value: 2 },
    { key: "other", value: "kept" },
  ]);
  return store;
}
const migrated = [
  { key: "b/1", value: 2 },
  { key: "b/2", value: 4 },
  { key: "other", value: "kept" },
  { key: "store-version", value: 3 },
];

describe("migrateStore", () => {
  test("takes a store without a number through every step, once", async () => {
    const store = await oldStore();
    await migrateStore(store, steps);
    expect(await store.list("")).toEqual(migrated);
    await migrateStore(store, steps);
    expect(await store.list("")).toEqual(migrated);
  });

  test("goes on from the store's version", async () => {
    const store = await oldStore();
    await migrateStore(store, [rename]);
    await migrateStore(store, steps);
    expect(await store.list("")).toEqual(migrated);
  });

  test("gives an empty store the present version without any step", async () => {
    const store = memoryStore();
    await migrateStore(store, [fail, fail]);
    expect(await store.list("")).toEqual([{ key: "store-version", value: 3 }]);
  });

  test("refuses a store of a later version and leaves it alone", async () => {
    const store = await oldStore();
    await migrateStore(store, steps);
    await expect(migrateStore(store, [rename])).rejects.toMatchObject({ code: "STORE_TOO_NEW" });
    expect(await store.list("")).toEqual(migrated);
  });

  test("goes on after a crash before or after any commit", async () => {
    for (const when of ["before", "after"] as const) {
      for (let commits = 0; commits < 3; commits++) {
        const store = await oldStore();
        await expect(migrateStore(crashing(store, { when, commits }), steps)).rejects.toThrow("crash");
        await migrateStore(store, steps);
        expect(await store.list("")).toEqual(migrated);
      }
    }
  });
});

/** Works for so many commits; the next one is done, or not, and the process dies. */
function crashing(store: Store, { when, commits }: { when: "before" | "after"; commits: number }): Store {
  let left = commits;
  return {
    ...store,
    commit: async (writes) => {
      const isLast = left-- === 0;
      if (!isLast || when === "after") await store.commit(writes);
      if (isLast) throw new Error("crash");
    },
  };
}

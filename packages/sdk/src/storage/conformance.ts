/** For tests only: what every store must do. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Store } from "./store.ts";

export function testStore(name: string, open: () => Promise<Store>): void {
  describe(name, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    test("gives back plain data as it was", async () => {
      const value = {
        none: null,
        flag: true,
        big: Number.MAX_SAFE_INTEGER,
        fraction: -0.5,
        text: "naïve 👋 \0",
        bytes: Uint8Array.of(0, 1, 255),
        list: [1, [2, { deep: "yes" }]],
      };
      await store.commit([{ key: "a/1", value }]);
      expect(await store.get("a/1")).toEqual(value);
      expect(await store.get("a/2")).toBeUndefined();
    });

    test("keeps a value apart from what the caller does to it", async () => {
      const value = { bytes: Uint8Array.of(1) };
      await store.commit([{ key: "a", value }]);
      value.bytes[0] = 9;
      const read = await store.get("a");
      expect(read).toEqual({ bytes: Uint8Array.of(1) });
    });

    test("lists a prefix in order, from a key on, at most so many, both ways", async () => {
      const keys = ["b/2", "a/9", "b/10", "b/1", "b~/1", "b", "c/1", "b/%C3%A4"];
      await store.commit(keys.map((key) => ({ key, value: key })));
      const list = async (...args: Parameters<Store["list"]>) =>
        (await store.list(...args)).map(({ key, value }) => {
          expect(value).toBe(key);
          return key;
        });
      expect(await list("b/")).toEqual(["b/%C3%A4", "b/1", "b/10", "b/2"]);
      expect(await list("b/", { after: "b/1" })).toEqual(["b/10", "b/2"]);
      expect(await list("b/", { limit: 2 })).toEqual(["b/%C3%A4", "b/1"]);
      expect(await list("b/", { isReversed: true, limit: 2 })).toEqual(["b/2", "b/10"]);
      expect(await list("b/", { isReversed: true, after: "b/10" })).toEqual(["b/1", "b/%C3%A4"]);
      expect(await list("d/")).toEqual([]);
    });

    test("commits in order; undefined deletes", async () => {
      await store.commit([
        { key: "a", value: 1 },
        { key: "b", value: 1 },
        { key: "a", value: 2 },
        { key: "b", value: undefined },
        { key: "never", value: undefined },
      ]);
      expect(await store.list("")).toEqual([{ key: "a", value: 2 }]);
    });

    test("commits all or nothing", async () => {
      await store.commit([{ key: "a", value: 1 }]);
      const broken = [
        { key: "a", value: 2 },
        { key: "b", value: () => "no data" },
      ];
      await expect(store.commit(broken)).rejects.toThrow();
      expect(await store.list("")).toEqual([{ key: "a", value: 1 }]);
      await store.commit([{ key: "c", value: 3 }]);
      expect(await store.get("c")).toBe(3);
    });

    test("commits that run at the same time are all kept", async () => {
      await Promise.all(Array.from({ length: 20 }, (_, at) => store.commit([{ key: `n/${at}`, value: at }])));
      expect(await store.list("n/")).toHaveLength(20);
    });
  });
}

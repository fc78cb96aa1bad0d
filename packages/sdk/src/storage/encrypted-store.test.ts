import { beforeAll, describe, expect, test } from "vitest";
import { generateAesKey } from "../crypto/primitives.ts";
import { testStore } from "./conformance.ts";
import { encryptedStore } from "./encrypted-store.ts";
import { memoryStore } from "./memory-store.ts";
import type { Store } from "./store.ts";

let key: CryptoKey;
beforeAll(async () => {
  key = await generateAesKey();
});

testStore("encrypted store", async () => encryptedStore(memoryStore(), key));

async function readBytes(store: Store, name: string): Promise<Uint8Array> {
  const value = await store.get(name);
  if (!(value instanceof Uint8Array)) throw new Error("bytes expected");
  return value;
}

describe("what the inner store gets", () => {
  test("is a version byte, a fresh iv and ciphertext, 29 bytes more than the value", async () => {
    const inner = memoryStore();
    const store = encryptedStore(inner, key);
    await store.commit([{ key: "a", value: "text" }]);
    const first = await readBytes(inner, "a");
    await store.commit([{ key: "a", value: "text" }]);
    const second = await readBytes(inner, "a");
    expect(first).toHaveLength(1 + 12 + "text".length + 1 + 16);
    expect(first[0]).toBe(1);
    expect(second.slice(1, 13)).not.toEqual(first.slice(1, 13));
    expect(second.slice(13)).not.toEqual(first.slice(13));
  });

  test("is refused after any change of a byte", async () => {
    const inner = memoryStore();
    const store = encryptedStore(inner, key);
    await store.commit([{ key: "a", value: { text: "hello" } }]);
    const stored = await readBytes(inner, "a");
    for (const [at, byte] of stored.entries()) {
      await inner.commit([{ key: "a", value: stored.with(at, byte ^ 1) }]);
      await expect(store.get("a"), `byte ${at}`).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    }
    for (const value of [stored.slice(0, -1), stored.slice(0, 5), new Uint8Array(), "hello", null]) {
      await inner.commit([{ key: "a", value }]);
      await expect(store.list("")).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    }
  });

  test("is refused under another key of the store, and with another key", async () => {
    const inner = memoryStore();
    const store = encryptedStore(inner, key);
    await store.commit([{ key: "pin/alice", value: "A" }]);
    await inner.commit([{ key: "pin/bob", value: await inner.get("pin/alice") }]);
    await expect(store.get("pin/bob")).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    const other = encryptedStore(inner, await generateAesKey());
    await expect(other.get("pin/alice")).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    expect(await store.get("pin/alice")).toBe("A");
  });
});

test("commits that nobody waited for stay in order", async () => {
  const store = encryptedStore(memoryStore(), key);
  const large = "x".repeat(2_000_000);
  await Promise.all([store.commit([{ key: "a", value: large }]), store.commit([{ key: "a", value: 2 }])]);
  expect(await store.get("a")).toBe(2);
});

import { type IDBPDatabase, deleteDB, openDB } from "idb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  exportDeviceKeys,
  generateDeviceKeys,
  rotateAfterMs,
  rotateDeviceKeys,
  keepReplacedForMs,
} from "../crypto/device-keys.ts";
import { makePublicKey, verifyDevicePublicKey } from "../crypto/key-bundle.ts";
import { readDeviceKeys, writeDeviceKeys } from "../identity/device-keys-record.ts";
import { testStore } from "./conformance.ts";
import type { StoreDb } from "./indexeddb-items.ts";
import { indexedDbStore } from "./indexeddb-store.ts";
import { storeVersionWrite } from "./migrate-store.ts";

let name = "";
beforeEach(() => {
  name = crypto.randomUUID();
});

testStore("IndexedDB store", () => indexedDbStore(name));

describe("where nothing but a cursor reads backwards", () => {
  const { prototype } = IDBObjectStore;
  const getAllRecords = Object.getOwnPropertyDescriptor(prototype, "getAllRecords");
  beforeAll(() => {
    Reflect.deleteProperty(prototype, "getAllRecords");
  });
  afterAll(() => {
    Object.defineProperty(prototype, "getAllRecords", getAllRecords ?? expect.fail("not there"));
  });

  testStore("IndexedDB store", () => indexedDbStore(name));
});

const openRaw = (): Promise<IDBPDatabase<StoreDb>> => openDB<StoreDb>(`sotto/${name}`);

describe("the database", () => {
  test("keeps what was committed", async () => {
    const store = await indexedDbStore(name);
    await store.commit([{ key: "a", value: { bytes: Uint8Array.of(7) } }]);
    await store.close();
    const again = await indexedDbStore(name);
    expect(await again.get("a")).toEqual({ bytes: Uint8Array.of(7) });
    await again.close();
  });

  test("holds ciphertext and a key that cannot be read out", async () => {
    const canary = "canary-of-the-browser";
    const store = await indexedDbStore(name);
    await store.commit([{ key: "inbox/1", value: { text: canary } }]);
    await store.close();
    const raw = await openRaw();
    const value: unknown = await raw.get("items", "inbox/1");
    if (!(value instanceof Uint8Array)) throw new Error("bytes expected");
    expect(new TextDecoder("latin1").decode(value)).not.toContain(canary);
    const [key] = await raw.getAll("keys");
    raw.close();
    expect(key).toMatchObject({ extractable: false, algorithm: { name: "AES-GCM", length: 256 } });
    await expect(crypto.subtle.exportKey("raw", key ?? expect.fail())).rejects.toThrow();
  });

  test("is open in two tabs with one key", async () => {
    const [one, two] = await Promise.all([indexedDbStore(name), indexedDbStore(name)]);
    await one.commit([{ key: "a", value: 1 }]);
    expect(await two.get("a")).toBe(1);
    await Promise.all([one.close(), two.close()]);
  });

  test("is refused without its key, and when a later version has written it", async () => {
    const store = await indexedDbStore(name);
    await store.commit([{ key: "a", value: 1 }]);
    await store.close();
    const raw = await openRaw();
    await raw.clear("keys");
    raw.close();
    await expect(indexedDbStore(name)).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    (await openDB(`sotto/${name}`, 99)).close();
    await expect(indexedDbStore(name)).rejects.toMatchObject({ code: "STORE_TOO_NEW" });
    await expect(indexedDbStore("")).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });
});

test("what fails in a closed store fails with the SDK's error", async () => {
  const store = await indexedDbStore(name);
  await store.close();
  const calls = [() => store.get("a"), () => store.list("a"), () => store.commit([{ key: "a", value: 1 }])];
  for (const call of calls) {
    await expect(call()).rejects.toMatchObject({
      code: "STORE_FAILED",
      cause: { name: "InvalidStateError" },
    });
  }
});

describe("eviction", () => {
  test("is told, until the store is begun anew", async () => {
    const store = await indexedDbStore(name);
    await store.commit([{ key: "a", value: 1 }]);
    await store.close();
    await deleteDB(`sotto/${name}`);
    await expect(indexedDbStore(name)).rejects.toMatchObject({ code: "STORE_EVICTED" });
    await expect(indexedDbStore(name)).rejects.toMatchObject({ code: "STORE_EVICTED" });
    const anew = await indexedDbStore(name, { whenEvicted: "begin_anew" });
    expect(await anew.list("")).toEqual([]);
    await anew.close();
    await (await indexedDbStore(name)).close();
  });

  test("is not told of a store that was never used, or was emptied", async () => {
    const store = await indexedDbStore(name);
    await store.commit([storeVersionWrite]);
    await store.close();
    await deleteDB(`sotto/${name}`);
    const again = await indexedDbStore(name, { isPersistenceRequested: true });
    await again.commit([{ key: "a", value: 1 }]);
    await again.commit([{ key: "a", value: undefined }, storeVersionWrite]);
    await again.close();
    await deleteDB(`sotto/${name}`);
    await (await indexedDbStore(name)).close();
  });
});

describe("a device's keys", () => {
  const now = Date.UTC(2026, 0, 15);
  const ids = { userId: crypto.randomUUID(), deviceId: crypto.randomUUID() };

  test("are kept as keys that cannot be read out, and still sign", async () => {
    const store = await indexedDbStore(name);
    const keys = await generateDeviceKeys({ ...ids, now, extractable: false });
    await store.commit(await writeDeviceKeys(keys, undefined));
    await store.close();
    const again = await indexedDbStore(name);
    const read = (await readDeviceKeys(again)) ?? expect.fail();
    await again.close();
    expect(read.dik?.privateKey.extractable).toBe(false);
    await expect(exportDeviceKeys(read)).rejects.toThrow();
    const verdict = await verifyDevicePublicKey(await makePublicKey(read, now), { ...ids, now });
    expect(verdict).toMatchObject({ ok: true, device: { dik: keys.dik?.publicKeyBytes } });
  });

  test("that are dropped leave the store", async () => {
    const store = await indexedDbStore(name);
    const first = await generateDeviceKeys({ ...ids, now, extractable: false });
    await store.commit(await writeDeviceKeys(first, undefined));
    const second = await rotateDeviceKeys(first, now + rotateAfterMs);
    await store.commit(await writeDeviceKeys(second, first));
    expect(await store.list("private-key/")).toHaveLength(3);
    const third = await rotateDeviceKeys(second, now + rotateAfterMs + keepReplacedForMs);
    await store.commit(await writeDeviceKeys(third, second));
    const kept = await store.list("private-key/");
    const x25519 = third.hpkeKeys.filter(({ kemId }) => kemId === 0x20);
    expect(kept).toHaveLength(1 + x25519.length);
    expect(third.hpkeKeys).not.toContain(first.hpkeKeys[0]);
    expect(await readDeviceKeys(store)).toMatchObject({
      hpkeKeys: third.hpkeKeys.map(({ kid }) => ({ kid })),
    });
    await store.close();
  });
});

import type { Bytes } from "@sotto/schema";
import { aesGcmOpen, aesGcmSeal, randomBytes } from "../crypto/primitives.ts";
import { SottoError } from "../errors.ts";
import { LocalTurns } from "../turns.ts";
import type { Store, StoreItem, StoreWrite } from "./store.ts";
import { decodeValue, encodeValue } from "./value-codec.ts";

const version = 1;
const ivLength = 12;
const prefixLength = 1 + ivLength;

/**
 * A store whose values are encrypted before `inner` gets them. A stored value is a version byte, a fresh iv of 12 bytes
 * and AES-256-GCM over the value's CBOR, with version and key of the item as associated data: a value that was changed,
 * or moved to another key, is refused with `STORE_DAMAGED`. Keys are not encrypted. That a single value was put back to
 * what it was before, or deleted, is not noticed.
 *
 * Random ivs are good for 2^32 writes with one key (NIST SP 800-38D §8.3): ten a second for thirteen years.
 */
export function encryptedStore(inner: Store, key: CryptoKey): Store {
  // Encrypting takes its time: without turns, a later commit could overtake an earlier one.
  const turns = new LocalTurns();
  const open = async (item: StoreItem): Promise<StoreItem> => ({
    ...item,
    value: await openValue(item, key),
  });
  return {
    keepsCryptoKeys: inner.keepsCryptoKeys,
    tabs: inner.tabs,
    get: async (name) => openValue({ key: name, value: await inner.get(name) }, key),
    list: async (prefix, options) => Promise.all((await inner.list(prefix, options)).map(open)),
    commit: (writes) => {
      const sealed = sealWrites(writes, key);
      // Whoever waits for its turn is told then.
      sealed.catch(() => {});
      return turns.run(async () => inner.commit(await sealed));
    },
    close: () => turns.run(() => inner.close()),
  };
}

/** The writes as the inner store gets them. What they hold may change as soon as this has returned. */
export async function sealWrites(writes: readonly StoreWrite[], key: CryptoKey): Promise<StoreWrite[]> {
  return Promise.all(writes.map(async (write) => ({ key: write.key, value: await sealValue(write, key) })));
}

async function sealValue({ key: name, value }: StoreWrite, key: CryptoKey): Promise<unknown> {
  // A `CryptoKey` has no bytes that could be encrypted.
  if (value === undefined || value instanceof CryptoKey) return value;
  const plaintext = encodeValue(value);
  const iv = randomBytes(ivLength);
  const ciphertext = await aesGcmSeal(plaintext, { key, iv, aad: aadOf(name) });
  const stored = new Uint8Array(prefixLength + ciphertext.length);
  stored[0] = version;
  stored.set(iv, 1);
  stored.set(ciphertext, prefixLength);
  return stored;
}

async function openValue({ key: name, value }: StoreItem, key: CryptoKey): Promise<unknown> {
  if (value === undefined || value instanceof CryptoKey) return value;
  if (!(value instanceof Uint8Array) || value[0] !== version) throw new SottoError("STORE_DAMAGED");
  const stored: Bytes = new Uint8Array(value);
  const iv = stored.subarray(1, prefixLength);
  const plaintext = await aesGcmOpen(stored.subarray(prefixLength), { key, iv, aad: aadOf(name) });
  if (!plaintext) throw new SottoError("STORE_DAMAGED");
  return decodeValue(plaintext);
}

/** Keys are ASCII. */
function aadOf(name: string): Bytes {
  return Uint8Array.of(version, ...new TextEncoder().encode(name));
}

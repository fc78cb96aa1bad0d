/**
 * The device's keys in the store. Where it keeps `CryptoKey`s, the private keys that WebCrypto knows are kept as such,
 * not extractable, each under the id of its public key; elsewhere everything is one value of bytes. X-Wing's keys are
 * bytes everywhere.
 */
import { deviceId, userId } from "@sotto/schema";
import * as z from "zod/mini";
import {
  type DeviceKeys,
  type HpkeKey,
  exportDeviceKeys,
  importDeviceKeys,
  keyIdOf,
} from "../crypto/device-keys.ts";
import { type Curve, type KeyPair, importPublicKey } from "../crypto/primitives.ts";
import { SottoError } from "../errors.ts";
import { bytes } from "../storage/bytes.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store, StoreWrite } from "../storage/store.ts";

/** What is kept beside private keys that are `CryptoKey`s. */
const keptApart = z.object({
  userId,
  deviceId,
  dik: z.nullable(bytes),
  hpkeKeys: z.array(
    z.object({ kemId: z.number(), publicKey: bytes, seed: z.nullable(bytes), createdAtMs: z.number() }),
  ),
});
const keysRecord = defineRecord("device-keys", z.union([bytes, keptApart]));
const privateKeyRecord = defineRecord(
  "private-key",
  z.custom<CryptoKey>((value) => value instanceof CryptoKey, "CryptoKey expected"),
);

export async function readDeviceKeys(store: Store): Promise<DeviceKeys | undefined> {
  const stored = await keysRecord.get(store);
  if (stored === undefined) return undefined;
  if (stored instanceof Uint8Array) return importDeviceKeys(stored, { extractable: true });
  const { userId, deviceId, dik } = stored;
  const hpkeKeys = stored.hpkeKeys.map(async ({ kemId, publicKey, seed, createdAtMs }): Promise<HpkeKey> => {
    const pair = seed ? { seed, publicKeyBytes: publicKey } : await readPair(store, "X25519", publicKey);
    return { kid: await keyIdOf(publicKey), kemId, pair, createdAtMs };
  });
  return {
    userId,
    deviceId,
    dik: dik && (await readPair(store, "Ed25519", dik)),
    hpkeKeys: await Promise.all(hpkeKeys),
  };
}

/** What turns the stored keys `before` into `keys`. */
export async function writeDeviceKeys(
  keys: DeviceKeys,
  before: DeviceKeys | undefined,
): Promise<StoreWrite[]> {
  const isExtractable = cryptoKeyPairs(keys).every(({ privateKey }) => privateKey.extractable);
  if (isExtractable) return [keysRecord.put([], await exportDeviceKeys(keys))];
  const { userId: user, deviceId: device, dik, hpkeKeys } = keys;
  const record = {
    userId: userId.parse(user),
    deviceId: deviceId.parse(device),
    dik: dik && dik.publicKeyBytes,
    hpkeKeys: hpkeKeys.map(({ kemId, pair, createdAtMs }) => ({
      kemId,
      publicKey: pair.publicKeyBytes,
      seed: "seed" in pair ? pair.seed : null,
      createdAtMs,
    })),
  };
  const kept = cryptoKeyPairs(keys);
  const dropped = before ? cryptoKeyPairs(before).filter((pair) => !kept.includes(pair)) : [];
  return [
    keysRecord.put([], record),
    ...(await Promise.all(
      dropped.map(async (pair) => privateKeyRecord.remove(await keyIdOf(pair.publicKeyBytes))),
    )),
    ...(await Promise.all(
      kept.map(async (pair) => privateKeyRecord.put([await keyIdOf(pair.publicKeyBytes)], pair.privateKey)),
    )),
  ];
}

function cryptoKeyPairs({ dik, hpkeKeys }: DeviceKeys): KeyPair[] {
  const hpkePairs = hpkeKeys.flatMap(({ pair }) => ("seed" in pair ? [] : [pair]));
  return dik ? [dik, ...hpkePairs] : hpkePairs;
}

async function readPair(
  store: Store,
  curve: Curve,
  publicKeyBytes: KeyPair["publicKeyBytes"],
): Promise<KeyPair> {
  const privateKey = await privateKeyRecord.get(store, await keyIdOf(publicKeyBytes));
  if (!privateKey) throw new SottoError("STORE_DAMAGED");
  return { privateKey, publicKey: await importPublicKey(curve, publicKeyBytes), publicKeyBytes };
}

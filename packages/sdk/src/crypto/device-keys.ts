/** A device's own secrets: an Ed25519 identity key for life, and HPKE keys that are replaced every week. */
import { type Bytes, cborItem, decodeCbor, encodeCbor, kidFromSha256 } from "@sotto/schema";
import { findKem, x25519KemId } from "./hpke.ts";
import { type KeyPair, exportPrivateKey, generateKeyPair, importKeyPair, sha256 } from "./primitives.ts";

const dayMs = 86_400_000;
/** A new HPKE key after this. */
export const rotateAfterMs = 7 * dayMs;
/** Others may seal to a key for this long: twice the rotation, so a device that is away a week is never without. */
export const sealableForMs = 14 * dayMs;
/** A private key is deleted this long after it was replaced; older messages can then not be opened by a thief. */
export const keepReplacedForMs = 30 * dayMs;

export interface HpkeKey {
  kid: string;
  kemId: number;
  pair: KeyPair;
  createdAtMs: number;
}

export interface DeviceKeys {
  userId: string;
  deviceId: string;
  /** Signs messages and the key bundle. Null: a basic device, published as a bare X25519 key. */
  dik: KeyPair | null;
  /** Newest first, at least one. */
  hpkeKeys: readonly HpkeKey[];
}

export interface GenerateDeviceKeysInput {
  userId: string;
  deviceId: string;
  now: number;
  /** False: the private keys can be stored as they are in IndexedDB but never exported. */
  extractable: boolean;
}

/** The id of a public key: the first 8 bytes of its SHA-256, in hex. */
export async function keyIdOf(publicKey: Bytes): Promise<string> {
  return kidFromSha256(await sha256(publicKey));
}

async function generateHpkeKey(createdAtMs: number, extractable: boolean): Promise<HpkeKey> {
  const pair = await generateKeyPair("X25519", extractable);
  return { kid: await keyIdOf(pair.publicKeyBytes), kemId: x25519KemId, pair, createdAtMs };
}

/** Makes the keys of a new device. */
export async function generateDeviceKeys(input: GenerateDeviceKeysInput): Promise<DeviceKeys> {
  const { userId, deviceId, now, extractable } = input;
  const [dik, hpkeKey] = await Promise.all([
    generateKeyPair("Ed25519", extractable),
    generateHpkeKey(now, extractable),
  ]);
  return { userId, deviceId, dik, hpkeKeys: [hpkeKey] };
}

/**
 * Adds a new HPKE key when the newest is a week old and drops those replaced 30 days ago.
 * Gives the same object when nothing is due; otherwise store the new one, then publish its bundle.
 */
export async function rotateDeviceKeys(keys: DeviceKeys, now: number): Promise<DeviceKeys> {
  const [newest] = keys.hpkeKeys;
  const isDue = keys.dik !== null && (newest === undefined || now - newest.createdAtMs >= rotateAfterMs);
  const isExtractable = newest?.pair.privateKey.extractable ?? keys.dik?.privateKey.extractable ?? false;
  const all = isDue ? [await generateHpkeKey(now, isExtractable), ...keys.hpkeKeys] : keys.hpkeKeys;
  const kept = all.filter((_, at) => {
    const replacement = all[at - 1];
    return replacement === undefined || now - replacement.createdAtMs < keepReplacedForMs;
  });
  return kept.length === keys.hpkeKeys.length && !isDue ? keys : { ...keys, hpkeKeys: kept };
}

const storedTag = "devicekeys/v1";
const maxStoredBytes = 65_536;

/** All of it as one CBOR value, secrets included: encrypt it at rest. Throws when the keys are not extractable. */
export async function exportDeviceKeys({ userId, deviceId, dik, hpkeKeys }: DeviceKeys): Promise<Bytes> {
  const storedDik = dik && [await exportPrivateKey(dik.privateKey), dik.publicKeyBytes];
  const storedKeys = await Promise.all(
    hpkeKeys.map(async ({ kemId, pair, createdAtMs }) => [
      kemId,
      await exportPrivateKey(pair.privateKey),
      pair.publicKeyBytes,
      createdAtMs,
    ]),
  );
  return encodeCbor([storedTag, userId, deviceId, storedDik, storedKeys]);
}

/** Reads what {@link exportDeviceKeys} wrote. Throws `SealedFormatError` when it is something else. */
export async function importDeviceKeys(
  stored: Bytes,
  options: { extractable: boolean },
): Promise<DeviceKeys> {
  const { extractable } = options;
  const [tag, userId, deviceId, dik, keys] = cborItem.array(decodeCbor(stored, maxStoredBytes), storedTag, 5);
  cborItem.literal(tag, storedTag);
  const importPair = (curve: "Ed25519" | "X25519", pkcs8: unknown, publicKey: unknown) =>
    importKeyPair(curve, {
      pkcs8: cborItem.bytes(pkcs8, "private key"),
      publicKeyBytes: cborItem.bytes(publicKey, "public key", 32),
      extractable,
    });
  const [dikPrivate, dikPublic] = dik === null ? [] : cborItem.array(dik, "device identity key", 2);
  const hpkeKeys = cborItem.array(keys, "HPKE keys").map(async (value): Promise<HpkeKey> => {
    const [id, pkcs8, publicKey, created] = cborItem.array(value, "HPKE key", 4);
    const kemId = cborItem.uint(id, "KEM id");
    const pair = await importPair(findKem(kemId)?.curve ?? "X25519", pkcs8, publicKey);
    return {
      kid: await keyIdOf(pair.publicKeyBytes),
      kemId,
      pair,
      createdAtMs: cborItem.uint(created, "created"),
    };
  });
  return {
    userId: cborItem.text(userId, "user id"),
    deviceId: cborItem.text(deviceId, "device id"),
    dik: dik === null ? null : await importPair("Ed25519", dikPrivate, dikPublic),
    hpkeKeys: await Promise.all(hpkeKeys),
  };
}

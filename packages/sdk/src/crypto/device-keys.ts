/** A device's own secrets: an Ed25519 identity key for life, and HPKE keys that are replaced every week. */
import { type Bytes, cborItem, decodeCbor, encodeCbor, kidFromSha256 } from "@sotto/schema";
import {
  type HpkeKeyPair,
  exportHpkePrivateKey,
  generateX25519,
  generateXWing,
  importHpkeKeyPair,
  wipeSeeds,
  x25519KemId,
  xWingKemId,
} from "./kems.ts";
import { type KeyPair, exportPrivateKey, generateKeyPair, importKeyPair, sha256 } from "./primitives.ts";

const dayMs = 86_400_000;
/** New HPKE keys after this. */
export const rotateAfterMs = 7 * dayMs;
/** Others may seal to a key for this long: twice the rotation, so a device that is away a week is never without. */
export const sealableForMs = 14 * dayMs;
/** A private key is deleted this long after it was replaced; older messages can then not be opened by a thief. */
export const keepReplacedForMs = 30 * dayMs;

/** One key pair that messages are sealed to, with the time when it was made in ms since the epoch. */
export interface HpkeKey {
  kid: string;
  /** 0x0020: X25519. 0x647a: X-Wing. */
  kemId: number;
  pair: HpkeKeyPair;
  createdAtMs: number;
}

/** The private keys of one device. */
export interface DeviceKeys {
  userId: string;
  deviceId: string;
  /** Signs messages and the key bundle. Null: a basic device, published as a bare X25519 key, without X-Wing. */
  dik: KeyPair | null;
  /** Newest first, at least one of X25519. */
  hpkeKeys: readonly HpkeKey[];
}

/** Whose keys they will be. `now` is in ms since the epoch. */
export interface GenerateDeviceKeysInput {
  userId: string;
  deviceId: string;
  now: number;
  /**
   * False: the private keys can be stored as they are in IndexedDB but never exported. That does not hold for X-Wing's,
   * which WebCrypto does not know: they are 32 bytes that script can read, so encrypt at rest what holds them.
   */
  extractable: boolean;
}

/** The id of a public key: the first 8 bytes of its SHA-256, in hex. */
export async function keyIdOf(publicKey: Bytes): Promise<string> {
  return kidFromSha256(await sha256(publicKey));
}

/** One key of each KEM: they are replaced together, so that a bundle is published once a week. */
async function generateHpkeKeys(createdAtMs: number, extractable: boolean): Promise<HpkeKey[]> {
  const pairs = [
    [x25519KemId, await generateX25519(extractable)],
    [xWingKemId, await generateXWing()],
  ] as const;
  return Promise.all(
    pairs.map(async ([kemId, pair]) => ({
      kid: await keyIdOf(pair.publicKeyBytes),
      kemId,
      pair,
      createdAtMs,
    })),
  );
}

/** Makes the keys of a new device. Throws a `DOMException` where WebCrypto has no Ed25519 or X25519. */
export async function generateDeviceKeys(input: GenerateDeviceKeysInput): Promise<DeviceKeys> {
  const { userId, deviceId, now, extractable } = input;
  const [dik, hpkeKeys] = await Promise.all([
    generateKeyPair("Ed25519", extractable),
    generateHpkeKeys(now, extractable),
  ]);
  return { userId, deviceId, dik, hpkeKeys };
}

/**
 * Adds new HPKE keys when the newest of a KEM is a week old or missing (keys stored before X-Wing), and drops those
 * replaced 30 days ago. Gives the same object when nothing is due; otherwise store the new one, publish its bundle,
 * and then {@link wipeDroppedKeys}. Throws as {@link generateDeviceKeys} does.
 */
export async function rotateDeviceKeys(keys: DeviceKeys, now: number): Promise<DeviceKeys> {
  const { dik, hpkeKeys } = keys;
  const isStale = (kemId: number) => {
    const newest = hpkeKeys.find((key) => key.kemId === kemId);
    return newest === undefined || now - newest.createdAtMs >= rotateAfterMs;
  };
  const isDue = dik !== null && [x25519KemId, xWingKemId].some(isStale);
  const isExtractable = dik?.privateKey.extractable ?? false;
  const all = isDue ? [...(await generateHpkeKeys(now, isExtractable)), ...hpkeKeys] : hpkeKeys;
  const kept = all.filter((key, at) => {
    const replacement = all.slice(0, at).findLast((other) => other.kemId === key.kemId);
    return replacement === undefined || now - replacement.createdAtMs < keepReplacedForMs;
  });
  return kept.length === hpkeKeys.length && !isDue ? keys : { ...keys, hpkeKeys: kept };
}

/** Overwrites in memory the X-Wing keys that are not among `after`. Call it once the store holds `after`. */
export function wipeDroppedKeys(before: DeviceKeys, after: DeviceKeys | undefined): void {
  const kept = new Set(after?.hpkeKeys.map(({ pair }) => pair));
  wipeSeeds(before.hpkeKeys.map(({ pair }) => pair).filter((pair) => !kept.has(pair)));
}

const storedTag = "devicekeys/v1";
const maxStoredBytes = 65_536;

/** All of it as one CBOR value, secrets included: encrypt it at rest. Throws when the keys are not extractable. */
export async function exportDeviceKeys({ userId, deviceId, dik, hpkeKeys }: DeviceKeys): Promise<Bytes> {
  const secrets: Bytes[] = [];
  const secret = (bytes: Bytes): Bytes => {
    secrets.push(bytes);
    return bytes;
  };
  const storedDik = dik && [secret(await exportPrivateKey(dik.privateKey)), dik.publicKeyBytes];
  const storedKeys = await Promise.all(
    hpkeKeys.map(async ({ kemId, pair, createdAtMs }) => [
      kemId,
      secret(await exportHpkePrivateKey(pair)),
      pair.publicKeyBytes,
      createdAtMs,
    ]),
  );
  const stored = encodeCbor([storedTag, userId, deviceId, storedDik, storedKeys]);
  for (const bytes of secrets) bytes.fill(0);
  return stored;
}

/** Reads what {@link exportDeviceKeys} wrote. Throws `SealedFormatError` when it is something else. */
export async function importDeviceKeys(
  stored: Bytes,
  options: { extractable: boolean },
): Promise<DeviceKeys> {
  const { extractable } = options;
  const [tag, userId, deviceId, dik, keys] = cborItem.array(decodeCbor(stored, maxStoredBytes), storedTag, 5);
  cborItem.literal(tag, storedTag);
  const hpkeKeys = cborItem.array(keys, "HPKE keys").map(async (value): Promise<HpkeKey> => {
    const [id, privateKey, publicKey, created] = cborItem.array(value, "HPKE key", 4);
    const kemId = cborItem.uint(id, "KEM id");
    const pair = await importHpkeKeyPair(kemId, {
      privateKey: cborItem.bytes(privateKey, "private key"),
      publicKeyBytes: cborItem.bytes(publicKey, "public key"),
      extractable,
    });
    const createdAtMs = cborItem.uint(created, "created");
    return { kid: await keyIdOf(pair.publicKeyBytes), kemId, pair, createdAtMs };
  });
  return {
    userId: cborItem.text(userId, "user id"),
    deviceId: cborItem.text(deviceId, "device id"),
    dik: dik === null ? null : await importDik(dik, extractable),
    hpkeKeys: await Promise.all(hpkeKeys),
  };
}

async function importDik(value: unknown, extractable: boolean): Promise<KeyPair> {
  const [pkcs8, publicKey] = cborItem.array(value, "device identity key", 2);
  return importKeyPair("Ed25519", {
    pkcs8: cborItem.bytes(pkcs8, "private key"),
    publicKeyBytes: cborItem.bytes(publicKey, "public key", 32),
    extractable,
  });
}

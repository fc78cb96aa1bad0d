/** The key bundle that a device publishes as its `public_key`. Format only, no cryptography. */
import {
  badShape,
  cborItem,
  decodeBase64url,
  decodeCappedBase64url,
  decodeCbor,
  decodeHex,
  encodeBase64url,
  encodeCbor,
  encodeHex,
  sealedLimits,
  SealedFormatError,
  uuidToBytes,
  type Bytes,
} from "./strict-cbor.ts";

/** One HPKE key of a bundle; times in Unix seconds. */
export interface BundleKey {
  kid: string;
  kemId: number;
  publicKey: Bytes;
  notBeforeSec: number;
  notAfterSec: number;
}

export interface KeyBundleFields {
  userId: string;
  /** As text, since a device of another client may have any id of 1 to 64 characters. */
  deviceId: string;
  issuedSec: number;
  expiresSec: number;
  /** The device's Ed25519 identity key, 32 bytes. */
  dik: Bytes;
  keys: readonly BundleKey[];
}

export interface KeyBundleParts extends KeyBundleFields {
  /** Ed25519 by `dik` over {@link keyBundleSignedBytes}. NOT checked by {@link parseKeyBundle}. */
  signature: Bytes;
}

const bundlePrefix = "kb1.";

function keyBundleItems(bundle: KeyBundleFields): readonly unknown[] {
  const keys = bundle.keys.map((key) => [
    decodeHex(key.kid),
    key.kemId,
    key.publicKey,
    key.notBeforeSec,
    key.notAfterSec,
  ]);
  const { userId, deviceId, issuedSec, expiresSec, dik } = bundle;
  return ["keybundle/v1", uuidToBytes(userId), deviceId, issuedSec, expiresSec, dik, keys];
}

/** What a bundle's signature covers: CBOR of `["keybundle/v1/sig", [the bundle without its signature]]`. */
export function keyBundleSignedBytes(bundle: KeyBundleFields): Bytes {
  return encodeCbor(["keybundle/v1/sig", keyBundleItems(bundle)]);
}

export function encodeKeyBundle(bundle: KeyBundleParts): string {
  return bundlePrefix + encodeBase64url(encodeCbor([...keyBundleItems(bundle), bundle.signature]));
}

function parseBundleKey(value: unknown): BundleKey {
  const [kid, kemId, publicKey, notBeforeSec, notAfterSec] = cborItem.array(value, "bundle key", 5);
  return {
    kid: encodeHex(cborItem.bytes(kid, "kid", 8)),
    kemId: cborItem.uint(kemId, "KEM id", 0xffff),
    publicKey: cborItem.bytes(publicKey, "public key"),
    notBeforeSec: cborItem.uint(notBeforeSec, "start of validity"),
    notAfterSec: cborItem.uint(notAfterSec, "end of validity"),
  };
}

/**
 * Reads a `kb1.` device key bundle: `kb1.` + base64url(CBOR ["keybundle/v1", user 16 B, device text, issued, expires,
 * dik 32 B, [[kid 8 B, kem_id, pub, nbf, exp]…], sig 64 B]). Keys of KEMs unknown here are kept.
 * Undefined: no `kb1.` string. Throws {@link SealedFormatError} when malformed. The signature is the SDK's to check.
 */
export function parseKeyBundle(publicKey: string): KeyBundleParts | undefined {
  if (!publicKey.startsWith(bundlePrefix)) return undefined;
  const bytes = decodeCappedBase64url(publicKey.slice(bundlePrefix.length), sealedLimits.maxKeyBundleBytes);
  const items = cborItem.array(decodeCbor(bytes, sealedLimits.maxKeyBundleBytes), "key bundle", 8);
  const [tag, user, device, issued, expires, dik, keyValues, signature] = items;
  cborItem.literal(tag, "keybundle/v1");
  const keys = cborItem.array(keyValues, "bundle keys").map(parseBundleKey);
  const isDistinct = new Set(keys.map((key) => key.kid)).size === keys.length;
  if (keys.length === 0 || keys.length > sealedLimits.maxBundleKeys || !isDistinct)
    throw badShape("bundle keys");
  return {
    userId: cborItem.uuid(user, "user id"),
    deviceId: cborItem.text(device, "device id", sealedLimits.maxDeviceIdChars),
    issuedSec: cborItem.uint(issued, "time of issue"),
    expiresSec: cborItem.uint(expires, "time of expiry"),
    dik: cborItem.bytes(dik, "device identity key", 32),
    keys,
    signature: cborItem.bytes(signature, "signature", 64),
  };
}

/** What a device's `public_key` string is. A bare key is 32 bytes of X25519; its kid is {@link kidFromSha256} of them. */
export type DevicePublicKey =
  | { kind: "bundle"; bundle: KeyBundleParts }
  | { kind: "bare"; publicKey: Bytes }
  | { kind: "unusable" };

/** Sorts any `public_key` string: a key bundle, a bare key (base64 or base64url, padded or not), or unusable. Never throws. */
export function parseDevicePublicKey(publicKey: string): DevicePublicKey {
  try {
    const bundle = parseKeyBundle(publicKey);
    if (bundle) return { kind: "bundle", bundle };
    if (!/^[\w+/-]{43}=?$/.test(publicKey)) return { kind: "unusable" };
    const url = publicKey.slice(0, 43).replaceAll("+", "-").replaceAll("/", "_");
    return { kind: "bare", publicKey: decodeBase64url(url) };
  } catch (error) {
    if (error instanceof SealedFormatError) return { kind: "unusable" };
    throw error;
  }
}

/** A key's id: the first 8 bytes, in hex, of the SHA-256 of its public key. */
export function kidFromSha256(digest: Uint8Array): string {
  return encodeHex(digest.subarray(0, 8));
}

/**
 * The keys of a bundle that may be sealed to now, newest first: the valid ones, and always the newest of each KEM, since
 * a device that was away must stay reachable (`isExpired`: nothing is valid). A wrap to any other key id is outdated.
 */
export function currentBundleKeys(
  bundle: KeyBundleFields,
  nowMs: number,
): { keys: BundleKey[]; isExpired: boolean } {
  const nowSec = nowMs / 1000;
  const { clockSkewSec } = sealedLimits;
  const isValid = (key: BundleKey) => key.notAfterSec >= nowSec - clockSkewSec;
  const begun = bundle.keys
    .filter((key) => key.notBeforeSec <= nowSec + clockSkewSec)
    .toSorted((a, b) => b.notBeforeSec - a.notBeforeSec);
  const keys = begun.filter(
    (key, at) => isValid(key) || begun.findIndex((other) => other.kemId === key.kemId) === at,
  );
  return { keys, isExpired: bundle.expiresSec < nowSec - clockSkewSec || !begun.some(isValid) };
}

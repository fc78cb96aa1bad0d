/** What a device publishes as its `public_key`, and how others judge it. */
import {
  type Bytes,
  type KeyBundleFields,
  currentBundleKeys,
  encodeBase64url,
  encodeKeyBundle,
  keyBundleSignedBytes,
  parseDevicePublicKey,
  sealedLimits,
} from "@sotto/schema";
import { type DeviceKeys, keyIdOf, sealableForMs } from "./device-keys.ts";
import { x25519KemId, xWingKemId } from "./kems.ts";
import { ed25519Sign, ed25519Verify, equalConstantTime } from "./primitives.ts";

/** Another device's keys, checked by {@link verifyDevicePublicKey}; make it no other way. */
export type VerifiedDevice = { userId: string; deviceId: string } & (
  | { kind: "bundle"; dik: Bytes; bundle: KeyBundleFields }
  /** A basic device: nothing ties the key to it but the server's word. */
  | { kind: "bare"; kid: string; publicKey: Bytes }
);

/** A device of which only the identity key is known, from its user's signed lists: its signatures can be checked. */
export interface ListedSender {
  kind: "listed";
  userId: string;
  deviceId: string;
  dik: Bytes;
}

/** Whose messages can be opened. */
export type VerifiedSender = VerifiedDevice | ListedSender;

/** Why a device's published key is not sealed to, nor its messages opened. */
export type PublicKeyRefusal =
  /** Neither a key bundle nor a 32-byte key. */
  | "unusable"
  /** Well signed, but made for another user or device. */
  | "wrong_device"
  | "signature_invalid"
  /** A key id that is not its key's hash. */
  | "kid_mismatch"
  /** Issued in the future. */
  | "not_yet_valid"
  /** Not signed by the pinned identity key: reinstalled, or someone else. */
  | "identity_changed"
  /** Older than a bundle of this device that was seen before: its newer keys are held back. */
  | "rolled_back"
  /** The user's signed device list does not name the device: not approved yet, removed, or nobody's but the server's. */
  | "not_listed";

/** What {@link verifyDevicePublicKey} says of a published key. */
export type PublicKeyVerdict =
  | { ok: true; device: VerifiedDevice; /** Every key has run out. */ isExpired: boolean }
  | { ok: false; reason: PublicKeyRefusal };

/** Whose key it must be, and when: `now` is in ms since the epoch. */
export interface VerifyPublicKeyInput {
  userId: string;
  deviceId: string;
  now: number;
  /** The device's Ed25519 key from the verified device list. Without it a bundle only proves itself. */
  pinnedDik?: Bytes | undefined;
}

const toSec = (ms: number) => Math.floor(ms / 1000);

/**
 * The string to publish: a signed `kb1.` bundle of both KEMs' keys, or the bare X25519 key of a basic device. Throws a
 * `TypeError` where the device has no X25519 key; what is generated has one.
 */
export async function makePublicKey(keys: DeviceKeys, now: number): Promise<string> {
  const { userId, deviceId, dik, hpkeKeys } = keys;
  const newest = hpkeKeys.find(({ kemId }) => kemId === x25519KemId);
  if (newest === undefined) throw new TypeError("a device without an X25519 key");
  if (dik === null) return encodeBase64url(newest.pair.publicKeyBytes);
  const held: KeyBundleFields = {
    userId,
    deviceId,
    issuedSec: toSec(now),
    expiresSec: toSec(newest.createdAtMs + sealableForMs),
    dik: dik.publicKeyBytes,
    keys: hpkeKeys.map(({ kid, kemId, pair, createdAtMs }) => ({
      kid,
      kemId,
      publicKey: pair.publicKeyBytes,
      notBeforeSec: toSec(createdAtMs),
      notAfterSec: toSec(createdAtMs + sealableForMs),
    })),
  };
  // Basic readers know the sender by any X25519 key still held (Auth mode). X-Wing's have no such use, and 1.2 KB each.
  const current = new Set(currentBundleKeys(held, now).keys);
  const fields = { ...held, keys: held.keys.filter((key) => key.kemId !== xWingKemId || current.has(key)) };
  const signature = await ed25519Sign(keyBundleSignedBytes(fields), dik.privateKey);
  return encodeKeyBundle({ ...fields, signature });
}

/** A clock that is set back by no more than this still gives bundles that readers take for newer ones. */
const maxIssuedAheadMs = 86_400_000;

/**
 * When the next bundle says that it was issued: now, or right after the last one where the clock was set back since.
 * Unless the last one was so far ahead that a clock was wrong then: readers will not have taken it.
 */
export function issueTimeMs(now: number, lastPublicKey: string | null): number {
  const lastSec = lastPublicKey === null ? undefined : findIssuedSec(lastPublicKey);
  const nextMs = lastSec === undefined ? now : (lastSec + 1) * 1000;
  return nextMs > now && nextMs <= now + maxIssuedAheadMs ? nextMs : now;
}

/** Whether a `public_key` is an older bundle than another one of the same device. */
export function isOlderKey(publicKey: string, newest: string): boolean {
  const [issuedSec, newestSec] = [findIssuedSec(publicKey), findIssuedSec(newest)];
  return newestSec !== undefined && issuedSec !== undefined && issuedSec < newestSec;
}

function findIssuedSec(publicKey: string): number | undefined {
  const parsed = parseDevicePublicKey(publicKey);
  return parsed.kind === "bundle" ? parsed.bundle.issuedSec : undefined;
}

/** Judges a device's `public_key`. Never throws: a refusal is a value. */
export async function verifyDevicePublicKey(
  publicKey: string,
  input: VerifyPublicKeyInput,
): Promise<PublicKeyVerdict> {
  const { userId, deviceId, pinnedDik } = input;
  const parsed = await prove(publicKey);
  if (parsed.kind === "unusable") return refuse("unusable");
  if (parsed.kind === "bundle") return verifyBundle(parsed, input);
  if (pinnedDik) return refuse("identity_changed");
  const { kid, publicKey: bare } = parsed;
  return { ok: true, device: { kind: "bare", userId, deviceId, kid, publicKey: bare }, isExpired: false };
}

interface ProvenBundle {
  kind: "bundle";
  bundle: KeyBundleFields;
  /** Its signature or its key ids do not hold. */
  refusal: "signature_invalid" | "kid_mismatch" | undefined;
}

type Proven = { kind: "unusable" } | { kind: "bare"; kid: string; publicKey: Bytes } | ProvenBundle;

/** What a text says of itself never changes, and each message of a device needs it: of 5,700 characters and a signature. */
const proofs = new Map<string, Promise<Proven>>();
const maxProofs = 500;

function prove(publicKey: string): Promise<Proven> {
  const proof = proofs.get(publicKey) ?? proveAnew(publicKey);
  // The one that was not asked for the longest goes.
  proofs.delete(publicKey);
  proofs.set(publicKey, proof);
  const [oldest] = proofs.keys();
  if (oldest !== undefined && proofs.size > maxProofs) proofs.delete(oldest);
  return proof;
}

async function proveAnew(publicKey: string): Promise<Proven> {
  const parsed = parseDevicePublicKey(publicKey);
  if (parsed.kind === "unusable") return parsed;
  if (parsed.kind !== "bundle")
    return { kind: "bare", kid: await keyIdOf(parsed.publicKey), publicKey: parsed.publicKey };
  const { signature, ...bundle } = parsed.bundle;
  const isSigned = await ed25519Verify(keyBundleSignedBytes(bundle), signature, bundle.dik);
  if (!isSigned) return { kind: "bundle", bundle, refusal: "signature_invalid" };
  const kids = await Promise.all(bundle.keys.map((key) => keyIdOf(key.publicKey)));
  const isConsistent = bundle.keys.every((key, at) => key.kid === kids[at]);
  return { kind: "bundle", bundle, refusal: isConsistent ? undefined : "kid_mismatch" };
}

function verifyBundle(proven: ProvenBundle, input: VerifyPublicKeyInput): PublicKeyVerdict {
  const { userId, deviceId, now, pinnedDik } = input;
  const { bundle, refusal } = proven;
  const { dik } = bundle;
  if (bundle.userId !== userId || bundle.deviceId !== deviceId) return refuse("wrong_device");
  if (pinnedDik && !equalConstantTime(pinnedDik, dik)) return refuse("identity_changed");
  if (refusal) return refuse(refusal);
  if (bundle.issuedSec > now / 1000 + sealedLimits.clockSkewSec) return refuse("not_yet_valid");
  const { isExpired } = currentBundleKeys(bundle, now);
  return { ok: true, device: { kind: "bundle", userId, deviceId, dik, bundle }, isExpired };
}

const refuse = (reason: PublicKeyRefusal): PublicKeyVerdict => ({ ok: false, reason });

/** The key to seal to: the newest current one of a KEM. Undefined when the device has none. */
export function findSealingKey(
  device: VerifiedDevice,
  { kemId, now }: { kemId: number; now: number },
): { kid: string; publicKey: Bytes } | undefined {
  if (device.kind === "bare") return kemId === x25519KemId ? device : undefined;
  return currentBundleKeys(device.bundle, now).keys.find((key) => key.kemId === kemId);
}

/** Signed device lists: making one, judging one, and judging where it stands in its user's chain (PROTOCOL §8.7). */
import {
  type Bytes,
  type DeviceListFields,
  type DeviceListParts,
  SealedFormatError,
  deviceListSignedBytes,
  encodeDeviceList,
  parseDeviceList,
  sealedLimits,
} from "@sotto/schema";
import { type KeyPair, ed25519Sign, ed25519Verify, equalConstantTime, sha256 } from "./primitives.ts";

/** Why a user's signed device list is refused. */
export type DeviceListRefusal =
  /** No well-formed list. */
  | "malformed"
  /** Another user's. */
  | "wrong_user"
  /** Not signed by the user identity key that it names. */
  | "signature_invalid"
  /** Issued in the future. */
  | "not_yet_valid"
  /** The server's newest list is older than one that was accepted. */
  | "rolled_back"
  /** In the place of a list that was accepted stands another one. */
  | "forked"
  /** A version is left out, or a list does not name the one before it. */
  | "broken_chain";

/** A list whose signature holds. */
export interface SignedList {
  /** As published. */
  text: string;
  parts: DeviceListParts;
  /** SHA-256: what the next list names. */
  hash: Bytes;
}

export type DeviceListVerdict = { ok: true; list: SignedList } | { ok: false; reason: DeviceListRefusal };

const refuse = (reason: DeviceListRefusal): { ok: false; reason: DeviceListRefusal } => ({
  ok: false,
  reason,
});

/** Signs a list with the user identity key; gives it as it is to be published. */
export async function signDeviceList(fields: Omit<DeviceListFields, "uik">, uik: KeyPair): Promise<string> {
  const list = { ...fields, uik: uik.publicKeyBytes };
  const signature = await ed25519Sign(deviceListSignedBytes(list), uik.privateKey);
  return encodeDeviceList({ ...list, signature });
}

/** Judges a list by itself. Never throws: a refusal is a value. */
export async function verifyDeviceList(
  text: string,
  { userId, now }: { userId: string; now: number },
): Promise<DeviceListVerdict> {
  const parts = readDeviceList(text);
  if (!parts) return refuse("malformed");
  if (parts.userId !== userId) return refuse("wrong_user");
  if (!(await ed25519Verify(deviceListSignedBytes(parts), parts.signature, parts.uik))) {
    return refuse("signature_invalid");
  }
  if (parts.issuedSec > now / 1000 + sealedLimits.clockSkewSec) return refuse("not_yet_valid");
  return { ok: true, list: { text, parts, hash: await sha256(parts.bytes) } };
}

/** The list's fields, nothing of them checked; undefined when it is no well-formed list. */
export function readDeviceList(text: string): DeviceListParts | undefined {
  try {
    return parseDeviceList(text);
  } catch (error) {
    if (error instanceof SealedFormatError) return undefined;
    throw error;
  }
}

/** What is kept of the newest list that was accepted. */
export interface ListPin {
  version: number;
  hash: Bytes;
}

export interface ChainInput {
  userId: string;
  now: number;
  /** Given: `lists` begin with the pinned one. Without it: the newest one alone. */
  pin?: ListPin | undefined;
}

/** `newest` is undefined for a user who has signed none. Whether its `uik` is the known one is for the caller to judge. */
export type ChainVerdict =
  | { ok: true; lists: SignedList[]; newest: SignedList | undefined }
  | { ok: false; reason: DeviceListRefusal };

/** Judges what the server gives of a user's chain. */
export async function judgeChain(
  given: { currentVersion: number; lists: readonly string[] },
  { userId, now, pin }: ChainInput,
): Promise<ChainVerdict> {
  if (pin && given.currentVersion < pin.version) return refuse("rolled_back");
  const lists: SignedList[] = [];
  for (const text of given.lists) {
    const verdict = await verifyDeviceList(text, { userId, now });
    if (!verdict.ok) return verdict;
    const fault = findFault(verdict.list, lists.at(-1), pin);
    if (fault) return refuse(fault);
    lists.push(verdict.list);
  }
  const newest = lists.at(-1);
  if ((newest?.parts.version ?? 0) !== given.currentVersion) return refuse("broken_chain");
  return { ok: true, lists, newest };
}

/**
 * Whether the user has given a key up, by what follows on the first list under it, even if the chain is back under it:
 * whoever stole the key can do that. Not given up: everybody had signed out (an empty list), one device went on by a key
 * of its own, alone, and came back by a backup.
 */
export function isGivenUp(lists: readonly SignedList[], uik: Bytes): boolean {
  const isUnder = (list: SignedList) => equalConstantTime(list.parts.uik, uik);
  const since = lists.slice(lists.findIndex(isUnder));
  const isLeft = since.some((list, at) => {
    const next = since[at + 1];
    if (!next || equalConstantTime(list.parts.uik, next.parts.uik)) return false;
    const { length } = list.parts.devices;
    return isUnder(list) ? length > 0 : length !== 1 || !isUnder(next);
  });
  return isLeft || !since.slice(-1).some(isUnder);
}

function findFault(
  { parts, hash }: SignedList,
  before: SignedList | undefined,
  pin: ListPin | undefined,
): DeviceListRefusal | undefined {
  if (before) {
    const follows =
      parts.version === before.parts.version + 1 &&
      parts.prevHash !== null &&
      equalConstantTime(parts.prevHash, before.hash);
    return follows ? undefined : "broken_chain";
  }
  if (!pin) return undefined;
  if (parts.version !== pin.version) return "broken_chain";
  return equalConstantTime(hash, pin.hash) ? undefined : "forked";
}

/** The signed device list of a user: which devices are the user's, by the user's own key. Format only, no cryptography. */
import {
  badShape,
  cborItem,
  decodeCappedBase64url,
  decodeCbor,
  encodeBase64url,
  encodeCbor,
  uuidToBytes,
  type Bytes,
} from "./strict-cbor.ts";

/** Upper bounds, checked before anything is decoded. */
export const deviceListLimits = {
  /** Of the CBOR bytes. */
  maxBytes: 16_384,
  /** The same as base64url. */
  maxChars: 21_846,
  maxDevices: 64,
} as const;

export interface ListedDevice {
  deviceId: string;
  /** The device's Ed25519 identity key, 32 bytes. */
  dik: Bytes;
  addedSec: number;
}

export interface DeviceListFields {
  userId: string;
  /** 1, 2, 3 … */
  version: number;
  /** SHA-256 of the list before this one; null in version 1. */
  prevHash: Bytes | null;
  issuedSec: number;
  /** The user's Ed25519 identity key, 32 bytes. */
  uik: Bytes;
  devices: readonly ListedDevice[];
}

export interface DeviceListParts extends DeviceListFields {
  /** Ed25519 by `uik` over {@link deviceListSignedBytes}. NOT checked by {@link parseDeviceList}. */
  signature: Bytes;
  /** The list as it was read: what the next one's `prevHash` is of. */
  bytes: Bytes;
}

const tag = "devlist/v1";

function deviceListItems(list: DeviceListFields): readonly unknown[] {
  const devices = list.devices.map(({ deviceId, dik, addedSec }) => [deviceId, dik, addedSec]);
  return [tag, uuidToBytes(list.userId), list.version, list.prevHash, list.issuedSec, list.uik, devices];
}

/** What a list's signature covers: CBOR of `["devlist/v1/sig", [the list without its signature]]`. */
export function deviceListSignedBytes(list: DeviceListFields): Bytes {
  return encodeCbor([`${tag}/sig`, deviceListItems(list)]);
}

/** The list as base64url, which is how it is published. */
export function encodeDeviceList(list: DeviceListFields & { signature: Bytes }): string {
  return encodeBase64url(encodeCbor([...deviceListItems(list), list.signature]));
}

function parseListedDevice(value: unknown): ListedDevice {
  const [device, dik, added] = cborItem.array(value, "listed device", 3);
  return {
    deviceId: cborItem.text(device, "device id", 64),
    dik: cborItem.bytes(dik, "device identity key", 32),
    addedSec: cborItem.uint(added, "time of adding"),
  };
}

/**
 * Reads a published list: base64url(CBOR ["devlist/v1", user 16 B, version, prev_hash 32 B or null, issued, uik 32 B,
 * [[device text, dik 32 B, added]…], sig 64 B]). Throws {@link SealedFormatError} when malformed; the signature and the
 * place in the chain are the SDK's to check.
 */
export function parseDeviceList(text: string): DeviceListParts {
  const bytes = decodeCappedBase64url(text, deviceListLimits.maxBytes);
  const items = cborItem.array(decodeCbor(bytes, deviceListLimits.maxBytes), "device list", 8);
  const [first, user, versionItem, prev, issued, uik, deviceItems, signature] = items;
  cborItem.literal(first, tag);
  const version = cborItem.uint(versionItem, "version", 2 ** 31 - 1);
  const devices = cborItem.array(deviceItems, "listed devices").map(parseListedDevice);
  const isDistinct = new Set(devices.map(({ deviceId }) => deviceId)).size === devices.length;
  if (devices.length > deviceListLimits.maxDevices || !isDistinct) throw badShape("listed devices");
  if (version === 0 || (version === 1) !== (prev === null)) throw badShape("version");
  return {
    userId: cborItem.uuid(user, "user id"),
    version,
    prevHash: prev === null ? null : cborItem.bytes(prev, "hash of the list before", 32),
    issuedSec: cborItem.uint(issued, "time of issue"),
    uik: cborItem.bytes(uik, "user identity key", 32),
    devices,
    signature: cborItem.bytes(signature, "signature", 64),
    bytes,
  };
}

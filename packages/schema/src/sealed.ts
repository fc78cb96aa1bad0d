/**
 * `sealed/v1`, the part that a server may see: headers, key ids, rosters. Format only, no cryptography.
 * Everything is deterministic CBOR (RFC 8949 §4.2): size-capped, decoded strictly, re-encoded and compared.
 */
import { Tokenizer, Type, decode, encode, rfc8949EncodeOptions } from "cborg";

/** Bytes that own their memory, as WebCrypto wants them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Upper bounds, checked before anything is decoded. Sizes are of the CBOR bytes: in base64url a body fits
 * `maxCiphertextBytes`, a key bundle `maxPublicKeyChars`.
 */
export const sealedLimits = {
  maxBodyBytes: 196_608,
  maxWrapBytes: 2_048,
  maxKeyBundleBytes: 12_285,
  maxBundleKeys: 16,
  maxDeviceIdChars: 64,
  maxNesting: 8,
  /** How far two clocks may be apart when a key's validity is judged. */
  clockSkewSec: 300,
} as const;

export type SealedFormatErrorCode = "not_base64url" | "too_large" | "not_canonical" | "bad_shape";

/** Something claims to be of this format and is not well formed. */
export class SealedFormatError extends Error {
  override readonly name = "SealedFormatError";
  readonly code: SealedFormatErrorCode;
  constructor(code: SealedFormatErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

const badShape = (what: string) => new SealedFormatError("bad_shape", `malformed ${what}`);

/** base64url without padding (RFC 4648 §5). */
export function encodeBase64url(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The one strict reading of base64url: no padding, spaces or stray bits. Throws `not_base64url`. */
export function decodeBase64url(text: string): Bytes {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) {
    throw new SealedFormatError("not_base64url", "not base64url");
  }
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  const lastGroup = bytes.subarray(bytes.length - (bytes.length % 3));
  if (!text.endsWith(encodeBase64url(lastGroup))) {
    throw new SealedFormatError("not_base64url", "stray bits after base64url");
  }
  return bytes;
}

/** Lower-case hexadecimal. */
export function encodeHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Reads lower-case hexadecimal. Throws `bad_shape`. */
export function decodeHex(hex: string): Bytes {
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw badShape("hex");
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** The 16 bytes of a lower-case UUID. Throws `bad_shape`. */
export function uuidToBytes(uuid: string): Bytes {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) throw badShape("uuid");
  return decodeHex(uuid.replaceAll("-", ""));
}

/** Deterministic CBOR (RFC 8949 §4.2). */
export function encodeCbor(value: unknown): Bytes {
  return encode(value, rfc8949EncodeOptions);
}

const strictDecoding = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowNaN: false,
  allowInfinity: false,
  allowBigInt: false,
  useMaps: true,
  rejectDuplicateMapKeys: true,
};

/** Refuses deep nesting, which would otherwise be the decoder's recursion. */
class ShallowTokenizer extends Tokenizer {
  #unread: number[] = [];

  override next() {
    const token = super.next();
    const isMap = Type.equals(token.type, Type.map);
    const children = isMap || Type.equals(token.type, Type.array) ? token.value * (isMap ? 2 : 1) : 0;
    if (children > 0) {
      this.#unread.push(children);
      if (this.#unread.length > sealedLimits.maxNesting) throw badShape("CBOR: nested too deep");
      return token;
    }
    while (this.#unread.length > 0) {
      const left = (this.#unread.pop() ?? 0) - 1;
      if (left > 0) {
        this.#unread.push(left);
        break;
      }
    }
    return token;
  }
}

/** Decodes exactly what {@link encodeCbor} makes; maps become `Map`. Throws `too_large`, `not_canonical`. */
export function decodeCbor(bytes: Uint8Array, maxBytes: number): unknown {
  if (bytes.length > maxBytes) throw new SealedFormatError("too_large", `more than ${maxBytes} bytes`);
  const owned = Uint8Array.from(bytes);
  try {
    const value: unknown = decode(owned, {
      ...strictDecoding,
      tokenizer: new ShallowTokenizer(owned, strictDecoding),
    });
    if (compareBytes(encodeCbor(value), owned) === 0) return value;
  } catch (error) {
    if (error instanceof SealedFormatError) throw error;
    throw new SealedFormatError("not_canonical", error instanceof Error ? error.message : "not CBOR");
  }
  throw new SealedFormatError("not_canonical", "not in the deterministic encoding");
}

/** Bytewise order; 0 when equal. Not for secrets: its time tells where the difference is. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let at = 0; at < shared; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** `parse…` of one CBOR item: each throws `bad_shape` and names what it looked for. */
export const cborItem = {
  array(value: unknown, what: string, length?: number): readonly unknown[] {
    if (!Array.isArray(value) || (length !== undefined && value.length !== length)) throw badShape(what);
    return value;
  },
  bytes(value: unknown, what: string, length?: number): Bytes {
    if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length))
      throw badShape(what);
    return Uint8Array.from(value);
  },
  text(value: unknown, what: string, maxChars = Infinity): string {
    if (typeof value !== "string" || value.length === 0 || value.length > maxChars) throw badShape(what);
    return value;
  },
  uint(value: unknown, what: string, max: number = Number.MAX_SAFE_INTEGER): number {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > max)
      throw badShape(what);
    return value;
  },
  uuid(value: unknown, what: string): string {
    const hex = encodeHex(cborItem.bytes(value, what, 16));
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  },
  literal(value: unknown, expected: string): void {
    if (value !== expected) throw badShape(expected);
  },
};

const maxChars = (maxBytes: number) => Math.ceil((maxBytes * 4) / 3);

function decodeCappedBase64url(text: string, maxBytes: number): Bytes {
  if (text.length > maxChars(maxBytes))
    throw new SealedFormatError("too_large", `more than ${maxBytes} bytes`);
  return decodeBase64url(text);
}

// --- Body ---

const sealedTag = "sealed/v1";
/** Every body begins with these bytes: array of 4, array of 9, the tag. */
const bodyPrefix = Uint8Array.of(0x84, 0x89, 0x69, ...new TextEncoder().encode(sealedTag));
const bodyPrefixText = encodeBase64url(bodyPrefix);

/** `control` is typing, receipts and the like: never shown as a message. */
export type SealedClass = "content" | "control";
const sealedClasses: readonly SealedClass[] = ["content", "control"];

/** What every reader of a message may see, bound to its content as AAD. */
export interface SealedHeader {
  /** 1: HKDF-SHA256 and AES-256-GCM. */
  contentSuite: number;
  conversationId: string;
  senderUserId: string;
  /** A sender's device id is a lower-case UUID; only other devices may have any text. */
  senderDeviceId: string;
  /** Also the message's idempotency key. */
  messageId: string;
  /** Counts the sender device's messages in this conversation. */
  counter: number;
  class: SealedClass;
  /** SHA-256 of {@link rosterBytes}. */
  rosterHash: Bytes;
}

export interface SealedBodyParts {
  header: SealedHeader;
  /** The header's own CBOR: the AAD of the content. */
  headerBytes: Bytes;
  iv: Bytes;
  keyCommit: Bytes;
  ct: Bytes;
  /** The whole CBOR body: wraps are bound to its SHA-256. */
  bytes: Bytes;
}

/** The header as a CBOR array, in the order of the format. Throws `bad_shape`. */
export function sealedHeaderItems(header: SealedHeader): readonly unknown[] {
  return [
    sealedTag,
    header.contentSuite,
    uuidToBytes(header.conversationId),
    uuidToBytes(header.senderUserId),
    uuidToBytes(header.senderDeviceId),
    uuidToBytes(header.messageId),
    cborItem.uint(header.counter, "counter"),
    sealedClasses.indexOf(header.class),
    cborItem.bytes(header.rosterHash, "roster hash", 32),
  ];
}

function parseSealedHeader(items: readonly unknown[]): SealedHeader {
  const [, suite, conversation, user, device, message, counter, classNumber, rosterHash] = items;
  const messageClass = sealedClasses[cborItem.uint(classNumber, "class")];
  if (messageClass === undefined) throw badShape("class");
  return {
    contentSuite: cborItem.uint(suite, "content suite"),
    conversationId: cborItem.uuid(conversation, "conversation id"),
    senderUserId: cborItem.uuid(user, "sender user id"),
    senderDeviceId: cborItem.uuid(device, "sender device id"),
    messageId: cborItem.uuid(message, "message id"),
    counter: cborItem.uint(counter, "counter"),
    class: messageClass,
    rosterHash: cborItem.bytes(rosterHash, "roster hash", 32),
  };
}

/**
 * Reads the visible parts of a message's `ciphertext`.
 * Undefined: not `sealed/v1`, an opaque ciphertext of another client. Claims it but is malformed: throws {@link SealedFormatError}.
 */
export function parseSealedBody(body: string | Uint8Array): SealedBodyParts | undefined {
  const isSealed =
    typeof body === "string"
      ? body.startsWith(bodyPrefixText)
      : compareBytes(body.subarray(0, bodyPrefix.length), bodyPrefix) === 0;
  if (!isSealed) return undefined;
  const { maxBodyBytes } = sealedLimits;
  const bytes = typeof body === "string" ? decodeCappedBase64url(body, maxBodyBytes) : Uint8Array.from(body);
  const [headerValue, iv, keyCommit, ct] = cborItem.array(decodeCbor(bytes, maxBodyBytes), "body", 4);
  const headerItems = cborItem.array(headerValue, "header", 9);
  return {
    header: parseSealedHeader(headerItems),
    headerBytes: encodeCbor(headerItems),
    iv: cborItem.bytes(iv, "iv", 12),
    keyCommit: cborItem.bytes(keyCommit, "key commitment", 32),
    ct: cborItem.bytes(ct, "ciphertext"),
    bytes,
  };
}

// --- Wrap ---

/** A content key sealed to one device. `kid` is 8 bytes in hex. */
export interface WrapParts {
  kid: string;
  kemId: number;
  enc: Bytes;
  sealedCek: Bytes;
}

export function encodeWrap(wrap: WrapParts): string {
  return encodeBase64url(encodeCbor([decodeHex(wrap.kid), wrap.kemId, wrap.enc, wrap.sealedCek]));
}

/** Reads a wrap; undefined when it is not one of `sealed/v1` (also for `""`, a device that could not be reached). */
export function parseWrap(wrap: string): WrapParts | undefined {
  try {
    const bytes = decodeCappedBase64url(wrap, sealedLimits.maxWrapBytes);
    const [kid, kemId, enc, sealedCek] = cborItem.array(
      decodeCbor(bytes, sealedLimits.maxWrapBytes),
      "wrap",
      4,
    );
    return {
      kid: encodeHex(cborItem.bytes(kid, "kid", 8)),
      kemId: cborItem.uint(kemId, "KEM id", 0xffff),
      enc: cborItem.bytes(enc, "enc"),
      sealedCek: cborItem.bytes(sealedCek, "sealed key"),
    };
  } catch (error) {
    if (error instanceof SealedFormatError) return undefined;
    throw error;
  }
}

/** The key that a wrap was sealed to, to find wraps to outdated keys. */
export function parseWrapKeyId(wrap: string): { kid: string; kemId: number } | undefined {
  const parts = parseWrap(wrap);
  return parts && { kid: parts.kid, kemId: parts.kemId };
}

// --- Roster ---

export interface DeviceAddress {
  userId: string;
  deviceId: string;
}

/**
 * CBOR of `["roster/v1", [[user 16 B, device text]…]]`, each device once, sorted bytewise by its own CBOR.
 * Its SHA-256 is `rosterHash`. A roster is every device of every participant at sending, the sending one included.
 */
export function rosterBytes(devices: readonly DeviceAddress[]): Bytes {
  const entries = new Map<string, { items: readonly unknown[]; bytes: Bytes }>();
  for (const { userId, deviceId } of devices) {
    const items = [uuidToBytes(userId), cborItem.text(deviceId, "device id", sealedLimits.maxDeviceIdChars)];
    entries.set(`${userId} ${deviceId}`, { items, bytes: encodeCbor(items) });
  }
  const sorted = [...entries.values()].toSorted((a, b) => compareBytes(a.bytes, b.bytes));
  return encodeCbor(["roster/v1", sorted.map((entry) => entry.items)]);
}

// --- Published keys ---

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

/**
 * Deterministic CBOR (RFC 8949 §4.2) as `sealed/v1` uses it: size-capped, decoded strictly, re-encoded
 * and compared.
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

export const badShape = (what: string) => new SealedFormatError("bad_shape", `malformed ${what}`);

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
  const bytes = new Uint8Array(binary.length);
  // A tenth of the time that an iteration over characters takes.
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
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

export function decodeCappedBase64url(text: string, maxBytes: number): Bytes {
  if (text.length > maxChars(maxBytes))
    throw new SealedFormatError("too_large", `more than ${maxBytes} bytes`);
  return decodeBase64url(text);
}

// --- Body ---

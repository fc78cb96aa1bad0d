/**
 * `sealed/v1`, the part that a server may see: headers, key ids, rosters. Format only, no cryptography.
 */
import {
  badShape,
  cborItem,
  compareBytes,
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

/** One device of one user, by their UUIDs. */
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

/** The encrypted inside of a body: payload and signature, padded, under a key that the body commits to. */
import {
  type Bytes,
  SealedFormatError,
  cborItem,
  decodeCbor,
  encodeCbor,
  sealedLimits,
  uuidToBytes,
} from "@sotto/schema";
import { EnvelopeError } from "./errors.ts";
import { pad, unpad } from "./padding.ts";
import { aesGcmOpen, aesGcmSeal, equalConstantTime, hkdfSha256 } from "./primitives.ts";

const info = new TextEncoder().encode("sealed/v1");

export interface Inner {
  payload: Bytes;
  /** Null from a basic device, which has no identity key. */
  signature: Bytes | null;
}

export interface ContentKey {
  cek: Bytes;
  messageId: string;
}

/** What the sender's identity key signs: CBOR of `["sealed/v1/sig", H, payload]`. */
export function signedBytes(headerItems: readonly unknown[], payload: Bytes): Bytes {
  return encodeCbor(["sealed/v1/sig", headerItems, payload]);
}

async function deriveKeys({
  cek,
  messageId,
}: ContentKey): Promise<{ key: Bytes; keyCommit: Bytes; wipe: () => void }> {
  const derived = await hkdfSha256(cek, { salt: uuidToBytes(messageId), info, length: 64 });
  const wipe = () => derived.fill(0, 0, 32);
  return { key: derived.subarray(0, 32), keyCommit: derived.subarray(32), wipe };
}

/** `iv` must be fresh, `headerBytes` the header that goes with it. */
export async function sealContent(
  { payload, signature }: Inner,
  { contentKey, iv, headerBytes }: { contentKey: ContentKey; iv: Bytes; headerBytes: Bytes },
): Promise<{ keyCommit: Bytes; ct: Bytes }> {
  const { key, keyCommit, wipe } = await deriveKeys(contentKey);
  try {
    const ct = await aesGcmSeal(pad(encodeCbor([payload, signature])), { key, iv, aad: headerBytes });
    return { keyCommit, ct };
  } finally {
    wipe();
  }
}

/** Throws `commitment_mismatch`, `content_rejected`, `padding_invalid`, `malformed`. */
export async function openContent(
  { headerBytes, iv, keyCommit, ct }: { headerBytes: Bytes; iv: Bytes; keyCommit: Bytes; ct: Bytes },
  contentKey: ContentKey,
): Promise<Inner> {
  const derived = await deriveKeys(contentKey);
  try {
    if (!equalConstantTime(derived.keyCommit, keyCommit)) throw new EnvelopeError("commitment_mismatch");
    const padded = await aesGcmOpen(ct, { key: derived.key, iv, aad: headerBytes });
    if (padded === undefined) throw new EnvelopeError("content_rejected");
    const inner = unpad(padded);
    if (inner === undefined) throw new EnvelopeError("padding_invalid");
    return parseInner(inner);
  } finally {
    derived.wipe();
  }
}

function parseInner(bytes: Bytes): Inner {
  try {
    const [payload, signature] = cborItem.array(decodeCbor(bytes, sealedLimits.maxBodyBytes), "content", 2);
    return {
      payload: cborItem.bytes(payload, "payload"),
      signature: signature === null ? null : cborItem.bytes(signature, "signature", 64),
    };
  } catch (error) {
    if (error instanceof SealedFormatError) throw new EnvelopeError("malformed");
    throw error;
  }
}

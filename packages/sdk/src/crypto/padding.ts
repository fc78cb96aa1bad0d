/** Padding hides a text's length: at least 256 bytes, then Padmé (at most 12 % more), ISO/IEC 7816-4 inside. */
import type { Bytes } from "@sotto/schema";

export const minPaddedBytes = 256;
const marker = 0x80;

/** Padmé: a length keeps only as many significant bits as its own magnitude needs (PURBs, PoPETs 2019, §4). */
export function padmeLength(length: number): number {
  if (length < 2) return length;
  const exponent = bitsOf(length) - 1;
  const significant = 32 - Math.clz32(exponent);
  const step = 2 ** Math.max(0, exponent - significant);
  return Math.ceil(length / step) * step;
}

/** Of lengths up to 2^53. */
function bitsOf(length: number): number {
  const high = Math.floor(length / 2 ** 32);
  return high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(length);
}

/** The length that `length` bytes have once padded; the marker takes one. */
export function paddedLength(length: number): number {
  return Math.max(minPaddedBytes, padmeLength(length + 1));
}

export function pad(bytes: Uint8Array): Bytes {
  const padded = new Uint8Array(paddedLength(bytes.length));
  padded.set(bytes);
  padded[bytes.length] = marker;
  return padded;
}

/** Undefined for anything that {@link pad} does not make. Run after authentication only. */
export function unpad(padded: Bytes): Bytes | undefined {
  const end = padded.findLastIndex((byte) => byte !== 0);
  if (padded[end] !== marker || paddedLength(end) !== padded.length) return undefined;
  return padded.slice(0, end);
}

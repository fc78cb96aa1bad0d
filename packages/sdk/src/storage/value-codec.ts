import { decode, encode } from "cborg";
import type { Bytes } from "@sotto/schema";

/** Plain data as CBOR. Throws for what is no data. */
export function encodeValue(value: unknown): Bytes {
  return new Uint8Array(encode(value));
}

export function decodeValue(stored: Uint8Array): unknown {
  return decode(stored);
}

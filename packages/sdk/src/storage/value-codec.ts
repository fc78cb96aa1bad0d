import { decode, encode } from "cborg";
import type { Bytes } from "@sotto/schema";
import { SottoError } from "../errors.ts";

/** Plain data as CBOR. Throws for what is no data. */
export function encodeValue(value: unknown): Bytes {
  return new Uint8Array(encode(value));
}

/** Throws `STORE_DAMAGED`. */
export function decodeValue(stored: Uint8Array): unknown {
  try {
    return decode(stored);
  } catch (error) {
    throw new SottoError("STORE_DAMAGED", { cause: error });
  }
}

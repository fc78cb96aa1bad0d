import * as z from "zod/mini";
import type { Bytes } from "@sotto/schema";

/** Bytes in a record. */
export const bytes = z.custom<Bytes>((value) => value instanceof Uint8Array, "bytes expected");

import type { StreamEnd } from "../api/stream.ts";
import { type AnySottoError, isAuthError, makeError } from "../errors.ts";

const finalCloseCodes = new Map([
  [4403, "DEVICE_REMOVED"],
  [4409, "REPLACED"],
] as const);

/** Why the stream must not be opened again; undefined: it may be. */
export function finalErrorOf({ closeCode, error }: StreamEnd): AnySottoError | undefined {
  for (const [code, reason] of finalCloseCodes) if (closeCode === code) return makeError(reason);
  const isRemoved = error?.code === "TOKEN_DEVICE_REMOVED" || error?.code === "DEVICE_REQUIRED";
  if (isRemoved) return makeError("DEVICE_REMOVED", { cause: error });
  if (isAuthError(error)) return makeError("SIGNED_OUT", { cause: error });
  return error && error.retry !== "later" ? error : undefined;
}

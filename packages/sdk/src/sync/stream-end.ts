import type { StreamEnd } from "../api/stream.ts";
import { type AnySottoError, SottoError, isAuthError, makeError } from "../errors.ts";
import type { ClientStatus } from "../events.ts";

const finalCloseCodes = new Map([
  [4401, "SIGNED_OUT"],
  [4403, "DEVICE_REMOVED"],
  [4409, "REPLACED"],
] as const);

/** Why the stream must not be opened again; undefined: connect again and resume. */
export function finalErrorOf({ closeCode, error }: StreamEnd): AnySottoError | undefined {
  for (const [code, reason] of finalCloseCodes) if (closeCode === code) return makeError(reason);
  const isRemoved = error?.code === "TOKEN_DEVICE_REMOVED" || error?.code === "DEVICE_REQUIRED";
  if (isRemoved) return makeError("DEVICE_REMOVED", { cause: error });
  if (isAuthError(error)) return makeError("SIGNED_OUT", { cause: error });
  return error && error.retry !== "later" ? error : undefined;
}

/** The state that a final error leaves the client in. */
export function finalStateOf(error: unknown): ClientStatus["state"] {
  if (!(error instanceof SottoError)) return "stopped";
  switch (error.code) {
    case "SIGNED_OUT":
      return "signed_out";
    case "DEVICE_REMOVED":
      return "device_removed";
    case "REPLACED":
      return "replaced";
    default:
      return "stopped";
  }
}

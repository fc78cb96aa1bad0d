import { errorDefinition, isErrorCode, wireError } from "@sotto/schema";
import { isTRPCClientError } from "@trpc/client";
import * as z from "zod/mini";
import { type AnySottoError, SottoError, abortOf, makeError } from "../errors.ts";

const withWireError = z.object({ sotto: wireError });

/** Whatever a call threw, as the SDK's one error. `signal` is the caller's: an abort by it is no network failure. */
export function toSottoError(error: unknown, signal?: AbortSignal): AnySottoError {
  if (error instanceof SottoError) return error;
  const refused = isTRPCClientError(error) ? withWireError.safeParse(error.data) : undefined;
  if (refused?.success) return fromWire(refused.data.sotto, error);
  if (signal?.aborted) return abortOf(signal);
  return new SottoError("NETWORK", { cause: error });
}

function fromWire(wire: z.output<typeof wireError>, cause: unknown): AnySottoError {
  const { code, requestId } = wire;
  if (!isErrorCode(code)) return new SottoError("BAD_ANSWER", { requestId, cause });
  const schema = errorDefinition(code).details;
  if (!schema) return makeError(code, { requestId, cause });
  const details = schema.safeParse(wire.details);
  if (!details.success) return new SottoError("BAD_ANSWER", { requestId, cause });
  return makeError(code, { details: details.data, requestId, cause });
}

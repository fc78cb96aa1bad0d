import { errorDefinition, type ErrorCode, type SottoErrorShape, type WireError } from "@sotto/schema";
import { TRPCError, type TRPC_ERROR_CODE_KEY } from "@trpc/server";
import { AppError } from "../../errors.ts";

const trpcCodes: Record<number, TRPC_ERROR_CODE_KEY> = {
  400: "BAD_REQUEST",
  401: "UNAUTHORIZED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  405: "METHOD_NOT_SUPPORTED",
  408: "TIMEOUT",
  409: "CONFLICT",
  // tRPC has no name for it.
  410: "NOT_FOUND",
  413: "PAYLOAD_TOO_LARGE",
  415: "UNSUPPORTED_MEDIA_TYPE",
  // tRPC has no name for it; downloads are on REST alone.
  416: "BAD_REQUEST",
  422: "UNPROCESSABLE_CONTENT",
  429: "TOO_MANY_REQUESTS",
  503: "SERVICE_UNAVAILABLE",
};

/** What tRPC itself refuses, before a procedure is reached. */
const ownRefusals: Partial<Record<TRPC_ERROR_CODE_KEY, ErrorCode>> = {
  NOT_FOUND: "ROUTE_NOT_FOUND",
  METHOD_NOT_SUPPORTED: "METHOD_NOT_ALLOWED",
  PAYLOAD_TOO_LARGE: "PAYLOAD_TOO_LARGE",
  PARSE_ERROR: "VALIDATION_FAILED",
  BAD_REQUEST: "VALIDATION_FAILED",
  UNPROCESSABLE_CONTENT: "VALIDATION_FAILED",
  UNSUPPORTED_MEDIA_TYPE: "VALIDATION_FAILED",
};

export function toTrpcError(error: unknown): TRPCError {
  const known = error instanceof AppError ? error : new AppError("INTERNAL");
  const code = trpcCodes[errorDefinition(known.code).status] ?? "INTERNAL_SERVER_ERROR";
  return new TRPCError({ code, message: known.message, cause: known });
}

/** The error as the client gets it: of what is not ours only the kind, never the text. */
export function formatTrpcError(options: {
  shape: Omit<SottoErrorShape, "data"> & { data: Omit<SottoErrorShape["data"], "sotto"> };
  error: TRPCError;
  requestId: string | undefined;
}): SottoErrorShape {
  const { shape, error, requestId } = options;
  const sotto: WireError = {
    ...(error.cause instanceof AppError
      ? withDetails(error.cause)
      : { code: ownRefusals[error.code] ?? "INTERNAL" }),
    ...(requestId === undefined ? {} : { requestId }),
  };
  const { stack: _, ...data } = shape.data;
  return { ...shape, message: errorDefinition(sotto.code).detail, data: { ...data, sotto } };
}

function withDetails(error: AppError): WireError {
  return error.details === undefined ? { code: error.code } : { code: error.code, details: error.details };
}

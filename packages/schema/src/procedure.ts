import type * as z from "zod/mini";
import type { ErrorCode } from "./errors.ts";

/** `public`: nobody need be signed in; `user`: a user's token; `device`: a token that published a device. */
export type Access = "public" | "user" | "device";

/**
 * Which limits count the call: `RATE_LIMIT_PER_MINUTE` for `general`; `keys` and `contact` have one of their own
 * beside it, the others instead of it.
 */
export type RateClass = "otp" | "general" | "message" | "sync" | "signal" | "keys" | "contact" | "archive";

export interface RestRoute {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** OpenAPI style, snake_case: `/keys/devices/{device_id}`. */
  path: string;
  /** Scalar fields (snake_case) read from the query string, else from the body. With GET, all are. */
  query?: readonly string[];
  /** Scalar fields of the body that the query string may hold instead; faults in them are the body's. */
  alsoQuery?: readonly string[];
  /** Fields (snake_case) read from request headers: `{ filename: "X-Filename" }`. */
  headers?: Readonly<Record<string, string>>;
  /** An array field (snake_case) that may also be the whole JSON body. */
  wholeBody?: string;
  /** Largest JSON body in bytes, where the usual 4 MiB are too few. */
  maxBodyBytes?: number;
  /** A download that answers bytes, with this media type or range of them: `image/*`. */
  bytes?: string;
}

/**
 * How a procedure is called. `upload`: the request's raw body in, JSON out; `download`: bytes, a
 * stream or JSON out. These two are on REST alone.
 */
export type ProcedureKind = "query" | "mutation" | "subscription" | "upload" | "download";

export interface Procedure {
  kind: ProcedureKind;
  access: Access;
  limit: RateClass;
  summary: string;
  input: z.ZodMiniObject;
  /** A subscription's output is the type of each event; a download's is its JSON answer, `z.never()` without one. */
  output: z.ZodMiniType;
  rest?: RestRoute;
  /** Honours `Idempotency-Key`. */
  creates?: boolean;
  /** Refusals of its own, beside those of its kind, access and limit; see `listRefusals`. */
  errors: readonly ErrorCode[];
}

/** The procedures of one area. */
export type Procedures = Record<string, Procedure>;

export type ContractTable = Record<string, Procedures>;

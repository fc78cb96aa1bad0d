import type * as z from "zod";

/** `public`: nobody need be signed in; `user`: a user's token; `device`: a token that published a device. */
export type Access = "public" | "user" | "device";

/** Which limit counts the call: `RATE_LIMIT_PER_MINUTE` for `general`, quotas of their own for the others. */
export type RateClass = "otp" | "general" | "message" | "sync";

export interface RestRoute {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** OpenAPI style, snake_case: `/keys/devices/{device_id}`. */
  path: string;
  /** Scalar fields (snake_case) read from the query string, else from the body. With GET, all are. */
  query?: readonly string[];
}

export interface Procedure {
  kind: "query" | "mutation" | "subscription";
  access: Access;
  limit: RateClass;
  summary: string;
  input: z.ZodObject;
  /** A subscription's output is the type of each event. */
  output: z.ZodType;
  rest?: RestRoute;
  /** Honours `Idempotency-Key`. */
  creates?: boolean;
}

/** The procedures of one area. */
export type Procedures = Record<string, Procedure>;

export type ContractTable = Record<string, Procedures>;

import type { ErrorCode } from "./errors.ts";
import type { Access, Procedure, RateClass } from "./procedure.ts";

const ofToken: readonly ErrorCode[] = [
  "NOT_AUTHENTICATED",
  "TOKEN_EXPIRED",
  "TOKEN_INVALID",
  "TOKEN_DEVICE_REMOVED",
];

/** What any call may meet, whatever it asks for. */
export const commonRefusals: readonly ErrorCode[] = ["VALIDATION_FAILED", "UNAVAILABLE", "INTERNAL"];

export function accessRefusals(access: Access): readonly ErrorCode[] {
  if (access === "public") return [];
  return access === "user" ? ofToken : [...ofToken, "DEVICE_REQUIRED"];
}

export function limitRefusal(limit: RateClass): ErrorCode {
  return limit === "otp" ? "OTP_RATE_LIMITED" : "RATE_LIMITED";
}

/** What follows from how a procedure is called: bodies, streams and keys. */
export function kindRefusals({ kind, creates }: Pick<Procedure, "kind" | "creates">): readonly ErrorCode[] {
  const found: ErrorCode[] = [];
  if (kind === "mutation" || kind === "upload") found.push("PAYLOAD_TOO_LARGE", "REQUEST_TIMEOUT");
  if (kind === "download") found.push("RANGE_NOT_SATISFIABLE");
  if (kind === "subscription") found.push("SUBSCRIPTION_NEEDS_SOCKET", "TOO_MANY_CONNECTIONS");
  if (creates) found.push("IDEMPOTENCY_KEY_REUSED");
  return found;
}

/** Every code that a call of this procedure may be refused with. */
export function listRefusals(procedure: Procedure): readonly ErrorCode[] {
  return [
    ...procedure.errors,
    ...kindRefusals(procedure),
    ...accessRefusals(procedure.access),
    limitRefusal(procedure.limit),
    ...commonRefusals,
  ];
}

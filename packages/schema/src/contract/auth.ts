import * as z from "zod/mini";
import * as auth from "../domains/auth.ts";
import { ok } from "../primitives.ts";
import type { Procedures } from "../procedure.ts";

export const authProcedures = {
  requestOtp: {
    kind: "mutation",
    access: "public",
    limit: "otp",
    summary: "Request a one-time code for a phone number",
    ...auth.requestOtp,
    rest: { method: "POST", path: "/auth/request_otp" },
    errors: ["INVALID_PHONE", "OTP_NOT_SENT"],
  },
  verifyOtp: {
    kind: "mutation",
    access: "public",
    limit: "otp",
    summary: "Verify a one-time code; makes the user at the first verification",
    ...auth.verifyOtp,
    rest: { method: "POST", path: "/auth/verify_otp" },
    errors: ["INVALID_PHONE", "OTP_INVALID", "OTP_LOCKED", "PIN_REQUIRED", "PIN_INVALID"],
  },
  logout: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "End this token's session; its sockets close",
    input: z.object({}),
    output: ok,
    rest: { method: "POST", path: "/auth/logout" },
    errors: [],
  },
  getPin: {
    kind: "query",
    access: "user",
    limit: "general",
    summary: "Whether a registration PIN is set",
    ...auth.getPin,
    rest: { method: "GET", path: "/auth/pin" },
    errors: [],
  },
  setPin: {
    kind: "mutation",
    access: "user",
    limit: "otp",
    summary: "Set or change the registration PIN",
    ...auth.setPin,
    rest: { method: "PUT", path: "/auth/pin" },
    errors: ["PIN_REQUIRED", "PIN_INVALID", "OTP_LOCKED"],
  },
  removePin: {
    kind: "mutation",
    access: "user",
    limit: "otp",
    summary: "Remove the registration PIN",
    ...auth.removePin,
    rest: { method: "DELETE", path: "/auth/pin" },
    errors: ["PIN_REQUIRED", "PIN_INVALID", "OTP_LOCKED"],
  },
} as const satisfies Procedures;

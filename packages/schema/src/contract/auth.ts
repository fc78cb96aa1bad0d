import * as z from "zod";
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
  },
  verifyOtp: {
    kind: "mutation",
    access: "public",
    limit: "otp",
    summary: "Verify a one-time code; makes the user at the first verification",
    ...auth.verifyOtp,
    rest: { method: "POST", path: "/auth/verify_otp" },
  },
  logout: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "End this token's session; its sockets close",
    input: z.object({}),
    output: ok,
    rest: { method: "POST", path: "/auth/logout" },
  },
} as const satisfies Procedures;

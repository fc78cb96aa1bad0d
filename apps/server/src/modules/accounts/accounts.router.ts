import type { Handlers } from "../../pipeline/call.ts";
import { requestOtp, verifyOtp } from "./otp.service.ts";
import { logout } from "./sessions.service.ts";

export const accountsRouter: Handlers<"auth"> = {
  requestOtp: (call, { phone }) => requestOtp(call, phone),
  verifyOtp,
  logout: (call) => logout(call),
};

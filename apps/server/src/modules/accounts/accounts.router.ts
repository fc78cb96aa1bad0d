import type { Handlers } from "../../pipeline/call.ts";
import { requestOtp } from "./otp.service.ts";
import { getPin, removePin, setPin } from "./pins.service.ts";
import { logout } from "./sessions.service.ts";
import { verifyOtp } from "./sign-in.service.ts";

export const accountsRouter: Handlers<"auth"> = {
  requestOtp: (call, { phone }) => requestOtp(call, phone),
  verifyOtp,
  logout: (call) => logout(call),
  getPin: (call) => getPin(call),
  setPin,
  removePin,
};

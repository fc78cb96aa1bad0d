import * as z from "zod/mini";
import { ok, text } from "../primitives.ts";

/** E.164 with a leading `+`; anything else is refused with `INVALID_PHONE`. */
const phone = z.string().check(z.maxLength(64));

/** The registration PIN, which sign-in asks for beside the code. */
const pin = text(64).check(z.minLength(4));

export const requestOtpAnswer = z.object({
  detail: z.literal("OTP sent"),
  /** Names this request; `verifyOtp` may give it back as `sessionId`. */
  otpSession: z.guid(),
  /** Only with `OTP_MODE=dev`. */
  devCode: z.optional(z.string()),
});
export const requestOtp = {
  input: z.object({ phone }),
  output: requestOtpAnswer,
};

export const verifyOtpAnswer = z.object({ accessToken: z.string(), tokenType: z.literal("bearer") });
export const verifyOtp = {
  input: z.object({
    phone,
    otp: z.string().check(z.minLength(1), z.maxLength(16)),
    sessionId: z.nullish(z.string().check(z.maxLength(64))),
    /** The user's display name; set at the first verification. */
    name: z.nullish(text(128)),
    /** Where the user has set one: without it `PIN_REQUIRED`, and the code stays good. */
    pin: z.nullish(pin),
  }),
  output: verifyOtpAnswer,
};

export const getPinAnswer = z.object({ isSet: z.boolean() });
export const getPin = {
  input: z.object({}),
  output: getPinAnswer,
};

export const setPin = {
  /** `currentPin` is needed where a PIN is set. */
  input: z.object({ pin, currentPin: z.nullish(pin) }),
  output: ok,
};

export const removePin = {
  input: z.object({ currentPin: z.nullish(pin) }),
  output: ok,
};

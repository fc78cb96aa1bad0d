import * as z from "zod";
import { ok, text } from "../primitives.ts";

/** E.164 with a leading `+`; anything else is refused with `INVALID_PHONE`. */
const phone = z.string().max(64);

/** The registration PIN, which sign-in asks for beside the code. */
const pin = text(64).min(4);

export const requestOtp = {
  input: z.object({ phone }),
  output: z.object({
    detail: z.literal("OTP sent"),
    /** Names this request; `verifyOtp` may give it back as `sessionId`. */
    otpSession: z.guid(),
    /** Only with `OTP_MODE=dev`. */
    devCode: z.string().optional(),
  }),
};

export const verifyOtp = {
  input: z.object({
    phone,
    otp: z.string().min(1).max(16),
    sessionId: z.string().max(64).nullish(),
    /** The user's display name; set at the first verification. */
    name: text(128).nullish(),
    /** Where the user has set one: without it `PIN_REQUIRED`, and the code stays good. */
    pin: pin.nullish(),
  }),
  output: z.object({ accessToken: z.string(), tokenType: z.literal("bearer") }),
};

export const getPin = {
  input: z.object({}),
  output: z.object({ isSet: z.boolean() }),
};

export const setPin = {
  /** `currentPin` is needed where a PIN is set. */
  input: z.object({ pin, currentPin: pin.nullish() }),
  output: ok,
};

export const removePin = {
  input: z.object({ currentPin: pin.nullish() }),
  output: ok,
};

import * as z from "zod/mini";
import { ok } from "../primitives.ts";

/** Missing ones are refused like wrong ones, so that they tell nothing. */
export const receive = {
  input: z.object({
    event: z.optional(z.string()),
    ts: z.optional(z.string().check(z.describe("Unix seconds"))),
    sign: z.optional(z.string().check(z.describe("hex HMAC-SHA256(secret, ts + event + body)"))),
  }),
  output: ok,
};

import * as z from "zod";
import { ok } from "../primitives.ts";

/** Missing ones are refused like wrong ones, so that they tell nothing. */
export const receive = {
  input: z.object({
    event: z.string().optional(),
    ts: z.string().describe("Unix seconds").optional(),
    sign: z.string().describe("hex HMAC-SHA256(secret, ts + event + body)").optional(),
  }),
  output: ok,
};

import { type UserId, userId } from "@sotto/schema";
import * as z from "zod/mini";
import { SottoError } from "../errors.ts";

const claims = z.object({ sub: userId, jti: z.optional(z.string()) });

/**
 * Whose access token (a JWT) it is, and of which session. Nothing is verified: that is the server's to do.
 * Throws `BAD_ANSWER`.
 */
export function readToken(token: string): { userId: UserId; sessionId: string | undefined } {
  const [, payload = ""] = token.split(".");
  try {
    const json: unknown = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
    const { sub, jti } = claims.parse(json);
    return { userId: sub, sessionId: jti };
  } catch (cause) {
    throw new SottoError("BAD_ANSWER", { cause });
  }
}

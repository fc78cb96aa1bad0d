import { type UserId, userId } from "@sotto/schema";
import * as z from "zod";
import { SottoError } from "../errors.ts";

const claims = z.object({ sub: userId });

/** The user of an access token (a JWT's `sub`). Nothing is verified: that is the server's to do. */
export function userIdOfToken(token: string): UserId {
  const [, payload = ""] = token.split(".");
  try {
    const json: unknown = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
    return claims.parse(json).sub;
  } catch (cause) {
    throw new SottoError("BAD_ANSWER", { cause });
  }
}

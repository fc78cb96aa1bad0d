import { errors as joseErrors, importJWK, jwtVerify, SignJWT } from "jose";
import { userId as userIdSchema, type UserId } from "@sotto/schema";
import { z } from "zod";
import { AppError } from "../../errors.ts";
import type { SessionId } from "./accounts.tables.ts";

export interface TokenClaims {
  userId: UserId;
  sessionId: SessionId;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

export interface Tokens {
  issue(session: TokenClaims & { phone: string; issuedAt: number }): Promise<string>;
  /** Throws `TOKEN_EXPIRED` or `TOKEN_INVALID`. */
  verify(token: string, now: Date): Promise<TokenClaims>;
}

const claims = z.object({ sub: userIdSchema, jti: z.guid(), exp: z.int() });

/** JWTs (RFC 7519) signed with HS256; a token is good only with its session's row beside it. */
export async function createTokens(secret: string): Promise<Tokens> {
  // An imported key spares jose the import at each verification.
  const key = await importJWK({ kty: "oct", k: Buffer.from(secret).toString("base64url"), alg: "HS256" });
  return {
    issue: (session) =>
      new SignJWT({ phone: session.phone })
        .setProtectedHeader({ alg: "HS256", typ: "JWT" })
        .setSubject(session.userId)
        .setJti(session.sessionId)
        .setIssuedAt(Math.floor(session.issuedAt / 1000))
        .setExpirationTime(Math.floor(session.expiresAt / 1000))
        .sign(key),
    verify: async (token, now) => {
      try {
        const { payload } = await jwtVerify(token, key, { algorithms: ["HS256"], currentDate: now });
        const { sub, jti, exp } = claims.parse(payload);
        return { userId: sub, sessionId: jti as SessionId, expiresAt: exp * 1000 };
      } catch (error) {
        throw new AppError(error instanceof joseErrors.JWTExpired ? "TOKEN_EXPIRED" : "TOKEN_INVALID");
      }
    },
  };
}

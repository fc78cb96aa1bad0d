import { createHmac, randomInt, timingSafeEqual } from "node:crypto";
import type { App } from "../../app.ts";
import type { Db, Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { insertChallenge, listLiveChallenges } from "./otp.queries.ts";

export { deleteExpiredChallenges } from "./otp.queries.ts";

/** Answers the same whether or not the number is known. */
export async function requestOtp(call: Call<null>, phone: string) {
  const { app } = call;
  requirePhone(phone);
  const retryAfter = await app.limits.consume("otp_phone", phone);
  if (retryAfter > 0) throw new AppError("OTP_RATE_LIMITED", { retryAfter });

  const id = app.newId();
  const code = app.otpSender.fixedCode ?? String(randomInt(1_000_000)).padStart(6, "0");
  const createdAt = app.now();
  await insertChallenge(app.db, {
    id,
    phone,
    codeHash: hashCode(app, id, code),
    createdAt,
    expiresAt: new Date(createdAt.getTime() + app.config.OTP_TTL_SECS * 1000),
  });
  try {
    await app.otpSender.send({ phone, code, at: createdAt });
  } catch (error) {
    app.log.error({ requestId: call.requestId, err: error }, "sending a code failed");
    throw new AppError("OTP_NOT_SENT");
  }
  const { fixedCode } = app.otpSender;
  return { detail: "OTP sent" as const, otpSession: id, ...(fixedCode ? { devCode: fixedCode } : {}) };
}

export type Challenge = Awaited<ReturnType<typeof listLiveChallenges>>[number];

/** The codes that a try may be right with. */
export async function findCandidates(
  app: App,
  db: Db | Tx,
  attempt: { phone: string; sessionId?: string | null | undefined },
): Promise<Challenge[]> {
  const live = await listLiveChallenges(db, attempt.phone, app.now());
  return live.filter(
    ({ id, attempts }) =>
      (!attempt.sessionId || id === attempt.sessionId) && attempts < app.config.OTP_MAX_ATTEMPTS,
  );
}

export function hasRightCode(app: App, candidates: Challenge[], otp: string): boolean {
  return candidates.some(({ id, code_hash }) => timingSafeEqual(code_hash, hashCode(app, id, otp)));
}

/** ITU-T E.164: a plus and up to 15 digits; at least 7, the shortest in use. */
export function requirePhone(phone: string): void {
  if (!/^\+[1-9]\d{6,14}$/.test(phone)) throw new AppError("INVALID_PHONE");
}

function hashCode(app: App, challengeId: string, code: string): Buffer {
  return createHmac("sha256", app.config.JWT_SECRET).update(`otp/${challengeId}/${code}`).digest();
}

import { createHmac, randomInt, timingSafeEqual } from "node:crypto";
import type { UserId } from "@sotto/schema";
import type { App } from "../../app.ts";
import type { Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import type { SessionId } from "./accounts.tables.ts";
import {
  countAttempt,
  deleteChallenges,
  insertChallenge,
  listLiveChallenges,
  lockPhone,
  updateLock,
} from "./otp.queries.ts";
import { insertSession } from "./sessions.queries.ts";
import { findOrCreateUser } from "./users.queries.ts";

export { deleteExpiredChallenges } from "./otp.queries.ts";

const firstLockSecs = 60;
const maxLockSecs = 86_400;

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
    call.log.error({ err: error }, "sending a code failed");
    throw new AppError("OTP_NOT_SENT");
  }
  const { fixedCode } = app.otpSender;
  return { detail: "OTP sent" as const, otpSession: id, ...(fixedCode ? { devCode: fixedCode } : {}) };
}

interface Attempt {
  phone: string;
  otp: string;
  sessionId?: string | null | undefined;
  name?: string | null | undefined;
}

/** Trades a code for a token. The first verification of a number makes the user. */
export async function verifyOtp(call: Call<null>, attempt: Attempt) {
  const { app } = call;
  requirePhone(attempt.phone);
  // Refusals are returned, not thrown, so that a wrong try is counted and not rolled back.
  const outcome = await app.db.transaction().execute((tx) => tryCode(app, tx, attempt));
  if (outcome instanceof AppError) throw outcome;
  return { accessToken: await app.tokens.issue(outcome), tokenType: "bearer" as const };
}

async function tryCode(app: App, tx: Tx, attempt: Attempt) {
  const { phone } = attempt;
  const now = app.now();
  const lock = await lockPhone(tx, phone);
  const lockedMs = (lock.locked_until?.getTime() ?? 0) - now.getTime();
  if (lockedMs > 0) return new AppError("OTP_LOCKED", { retryAfter: Math.ceil(lockedMs / 1000) });

  const candidates = (await listLiveChallenges(tx, phone, now)).filter(
    ({ id, attempts }) =>
      (!attempt.sessionId || id === attempt.sessionId) && attempts < app.config.OTP_MAX_ATTEMPTS,
  );
  if (candidates.length === 0) return new AppError("OTP_INVALID");
  const isRight = candidates.some(({ id, code_hash }) =>
    timingSafeEqual(code_hash, hashCode(app, id, attempt.otp)),
  );
  if (!isRight) {
    await countAttempt(
      tx,
      candidates.map(({ id }) => id),
    );
    await updateLock(tx, phone, countFailure(app, lock, now));
    return new AppError("OTP_INVALID");
  }
  await deleteChallenges(tx, phone);
  await updateLock(tx, phone, { failures: 0, level: 0, locked_until: null });
  return openSession(app, tx, { phone, name: attempt.name || null, now });
}

function countFailure(app: App, lock: { failures: number; level: number }, now: Date) {
  const failures = lock.failures + 1;
  if (failures < app.config.OTP_MAX_ATTEMPTS) return { failures, level: lock.level, locked_until: null };
  const lockSecs = Math.min(firstLockSecs * 2 ** Math.min(lock.level, 20), maxLockSecs);
  return { failures: 0, level: lock.level + 1, locked_until: new Date(now.getTime() + lockSecs * 1000) };
}

async function openSession(app: App, tx: Tx, who: { phone: string; name: string | null; now: Date }) {
  const userId = await findOrCreateUser(tx, { id: app.newId<UserId>(), ...who });
  const sessionId = app.newId<SessionId>();
  const expiresAt = new Date(who.now.getTime() + app.config.JWT_EXPIRES_MINUTES * 60_000);
  await insertSession(tx, { id: sessionId, userId, createdAt: who.now, expiresAt });
  return {
    userId,
    sessionId,
    phone: who.phone,
    issuedAt: who.now.getTime(),
    expiresAt: expiresAt.getTime(),
  };
}

/** ITU-T E.164: a plus and up to 15 digits; at least 7, the shortest in use. */
function requirePhone(phone: string): void {
  if (!/^\+[1-9]\d{6,14}$/.test(phone)) throw new AppError("INVALID_PHONE");
}

function hashCode(app: App, challengeId: string, code: string): Buffer {
  return createHmac("sha256", app.config.JWT_SECRET).update(`otp/${challengeId}/${code}`).digest();
}

import type { UserId } from "@sotto/schema";
import type { App } from "../../app.ts";
import type { Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact, type Wakes } from "../../pipeline/transact.ts";
import { appendAccountEntries } from "../logs/logs.service.ts";
import type { SessionId } from "./accounts.tables.ts";
import { attemptsLeft, countFailure, lockedSecs, noFailures, type Lockout } from "./lockout.ts";
import { countAttempt, deleteChallenges, lockPhone, updateLock } from "./otp.queries.ts";
import { findCandidates, hasRightCode, requirePhone } from "./otp.service.ts";
import { hashPin, isSamePin, type PinHash } from "./pin-hash.ts";
import { deletePin, findPinOfPhone } from "./pins.queries.ts";
import { insertSession } from "./sessions.queries.ts";
import { findOrCreateUser } from "./users.queries.ts";

/** Who forgot the PIN waits until the account was out of use for so long: then it is gone. */
export const pinLapseDays = 30;

interface Attempt {
  phone: string;
  otp: string;
  sessionId?: string | null | undefined;
  name?: string | null | undefined;
  pin?: string | null | undefined;
}

/** Trades a code, and the PIN where the user has set one, for a token. The first verification makes the user. */
export async function verifyOtp(call: Call<null>, attempt: Attempt) {
  const { app } = call;
  requirePhone(attempt.phone);
  const pin = await hashGivenPin(app, attempt);
  // Refusals are returned, not thrown, so that a wrong try is counted and not rolled back.
  const outcome = await transact(call, (tx, wakes) => trySignIn(app, { tx, wakes }, { ...attempt, pin }));
  if (outcome instanceof AppError) throw outcome;
  return { accessToken: await app.tokens.issue(outcome), tokenType: "bearer" as const };
}

/**
 * Hashing takes long, so it is done before the number's row is locked, and only for who has the
 * code: otherwise the time of an answer would tell which numbers have a PIN.
 */
async function hashGivenPin(app: App, attempt: Attempt): Promise<PinHash | undefined> {
  if (!attempt.pin) return undefined;
  const candidates = await findCandidates(app, app.db, attempt);
  if (!hasRightCode(app, candidates, attempt.otp)) return undefined;
  const stored = await findPinOfPhone(app.db, attempt.phone);
  return stored && hashPin(attempt.pin, stored.salt);
}

interface Within {
  tx: Tx;
  wakes: Wakes;
}

async function trySignIn(
  app: App,
  within: Within,
  attempt: Omit<Attempt, "pin"> & { pin: PinHash | undefined },
) {
  const { phone } = attempt;
  const { tx } = within;
  const now = app.now();
  const lock = await lockPhone(tx, phone);
  const retryAfter = lockedSecs(lock, now);
  if (retryAfter > 0) return new AppError("OTP_LOCKED", { retryAfter });

  const candidates = await findCandidates(app, tx, attempt);
  if (candidates.length === 0) return new AppError("OTP_INVALID");
  const ids = candidates.map(({ id }) => id);
  if (!hasRightCode(app, candidates, attempt.otp)) {
    await fail(app, tx, { phone, lock, ids, now });
    return new AppError("OTP_INVALID");
  }
  const verdict = await judgePin(tx, { phone, now, given: attempt.pin });
  if (verdict === "missing") return new AppError("PIN_REQUIRED");
  if (verdict === "wrong") {
    const failed = await fail(app, tx, { phone, lock, ids, now });
    return new AppError("PIN_INVALID", { attemptsLeft: attemptsLeft(failed, app.config.OTP_MAX_ATTEMPTS) });
  }
  await deleteChallenges(tx, phone);
  await updateLock(tx, phone, noFailures);
  return openSession(app, within, { phone, name: attempt.name || null, now });
}

/** Counts a wrong code or PIN against the number and against the codes that it was tried with. */
async function fail(app: App, tx: Tx, of: { phone: string; lock: Lockout; ids: string[]; now: Date }) {
  await countAttempt(tx, of.ids);
  const failed = countFailure(of.lock, { now: of.now, maxAttempts: app.config.OTP_MAX_ATTEMPTS });
  await updateLock(tx, of.phone, failed);
  return failed;
}

/** Of a number whose code was right. A PIN that has lapsed is deleted, so that it does not come back. */
async function judgePin(
  tx: Tx,
  { phone, now, given }: { phone: string; now: Date; given: PinHash | undefined },
): Promise<"right" | "wrong" | "missing"> {
  const stored = await findPinOfPhone(tx, phone);
  if (!stored) return "right";
  if (now.getTime() - stored.seen_at.getTime() >= pinLapseDays * 86_400_000) {
    await deletePin(tx, stored.user_id);
    return "right";
  }
  // Undefined too when it was changed meanwhile: the client asks for it again.
  const isSame = given && isSamePin(given, stored);
  if (isSame === undefined) return "missing";
  return isSame ? "right" : "wrong";
}

/** The user's other devices are told, before the new session has published any. */
async function openSession(
  app: App,
  { tx, wakes }: Within,
  who: { phone: string; name: string | null; now: Date },
) {
  const { userId, isNew } = await findOrCreateUser(tx, { id: app.newId<UserId>(), ...who });
  const sessionId = app.newId<SessionId>();
  const expiresAt = new Date(who.now.getTime() + app.config.JWT_EXPIRES_MINUTES * 60_000);
  await insertSession(tx, { id: sessionId, userId, createdAt: who.now, expiresAt });
  if (!isNew) {
    const event = { type: "session.opened" as const, sessionId, at: who.now.toISOString() };
    await appendAccountEntries(tx, wakes, { userId, at: who.now, events: [event] });
  }
  return {
    userId,
    sessionId,
    phone: who.phone,
    issuedAt: who.now.getTime(),
    expiresAt: expiresAt.getTime(),
  };
}

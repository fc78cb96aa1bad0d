import type { UserId } from "@sotto/schema";
import type { Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { attemptsLeft, countFailure, lockedSecs, noFailures } from "./lockout.ts";
import { hashPin, isSamePin, type PinHash } from "./pin-hash.ts";
import { deletePin, findPin, insertPin, lockPin, updatePin } from "./pins.queries.ts";

type CurrentPin = string | null | undefined;

export async function getPin(call: Call) {
  return { isSet: (await findPin(call.app.db, call.caller.userId)) !== undefined };
}

/** Sets the caller's PIN, or changes it. No session ends. */
export async function setPin(call: Call, input: { pin: string; currentPin?: CurrentPin }) {
  const { userId } = call.caller;
  const given = await hashCurrent(call, input.currentPin);
  const pin = await hashPin(input.pin);
  return change(call, given, async (tx, isSet) => {
    if (isSet) await updatePin(tx, userId, { ...pin, ...noFailures });
    else if (!(await insertPin(tx, { ...pin, userId, at: call.app.now() })))
      return new AppError("PIN_REQUIRED");
    return undefined;
  });
}

/** Also when none is set. */
export async function removePin(call: Call, input: { currentPin?: CurrentPin }) {
  const given = await hashCurrent(call, input.currentPin);
  return change(call, given, async (tx) => {
    await deletePin(tx, call.caller.userId);
    return undefined;
  });
}

async function hashCurrent({ app, caller }: Call, currentPin: CurrentPin): Promise<PinHash | undefined> {
  if (!currentPin) return undefined;
  const stored = await findPin(app.db, caller.userId);
  return stored && hashPin(currentPin, stored.salt);
}

/**
 * Whoever holds a token must know the PIN to change it: a session that was stolen cannot take the
 * number from its owner. Refusals are returned, not thrown, so that a wrong try stays counted.
 */
async function change(
  call: Call,
  given: PinHash | undefined,
  write: (tx: Tx, isSet: boolean) => Promise<AppError | undefined>,
) {
  const outcome = await transact(call, async (tx) => {
    const { userId } = call.caller;
    const stored = await lockPin(tx, userId);
    const refusal =
      (stored && (await checkPin(call, tx, { userId, stored, given }))) ?? (await write(tx, !!stored));
    return refusal ?? { detail: "ok" as const };
  });
  if (outcome instanceof AppError) throw outcome;
  return outcome;
}

async function checkPin(
  { app }: Call,
  tx: Tx,
  {
    userId,
    stored,
    given,
  }: {
    userId: UserId;
    stored: NonNullable<Awaited<ReturnType<typeof lockPin>>>;
    given: PinHash | undefined;
  },
): Promise<AppError | undefined> {
  const now = app.now();
  const retryAfter = lockedSecs(stored, now);
  if (retryAfter > 0) return new AppError("OTP_LOCKED", { retryAfter });
  const isSame = given && isSamePin(given, stored);
  if (isSame === undefined) return new AppError("PIN_REQUIRED");
  if (isSame) return undefined;
  const maxAttempts = app.config.OTP_MAX_ATTEMPTS;
  const failed = countFailure(stored, { now, maxAttempts });
  await updatePin(tx, userId, failed);
  return new AppError("PIN_INVALID", { attemptsLeft: attemptsLeft(failed, maxAttempts) });
}

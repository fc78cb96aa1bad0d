import { expect, test } from "vitest";
import { attemptsLeft, countFailure, lockedSecs, noFailures, type Lockout } from "./lockout.ts";

const now = new Date("2026-01-01T00:00:00Z");

function failUntilLocked(lock: Lockout): { lock: Lockout; left: number[] } {
  const left: number[] = [];
  let next = lock;
  do {
    next = countFailure(next, { now, maxAttempts: 3 });
    left.push(attemptsLeft(next, 3));
  } while (lockedSecs(next, now) === 0);
  return { lock: next, left };
}

test("the last try locks, each time twice as long, up to a day", () => {
  let lock = noFailures;
  const secs: number[] = [];
  for (let round = 0; round < 14; round++) {
    const failed = failUntilLocked(lock);
    expect(failed.left).toEqual([2, 1, 0]);
    secs.push(lockedSecs(failed.lock, now));
    lock = failed.lock;
  }
  expect(secs.slice(0, 4)).toEqual([60, 120, 240, 480]);
  expect(secs.slice(-3)).toEqual([86_400, 86_400, 86_400]);
});

test("a lock is told in whole seconds, and is over at its time", () => {
  const lock = { ...noFailures, locked_until: new Date(now.getTime() + 1_500) };
  expect(lockedSecs(lock, now)).toBe(2);
  expect(lockedSecs(lock, new Date(now.getTime() + 1_500))).toBe(0);
});

const firstLockSecs = 60;
const maxLockSecs = 86_400;

/** How many wrong tries there were since the last right one or lock, and how many locks in a row. */
export interface Lockout {
  failures: number;
  level: number;
  locked_until: Date | null;
}

export const noFailures: Lockout = { failures: 0, level: 0, locked_until: null };

/** Whole seconds that are left of a lock; 0 when there is none. */
export function lockedSecs(lock: Lockout, now: Date): number {
  const ms = (lock.locked_until?.getTime() ?? 0) - now.getTime();
  return Math.max(0, Math.ceil(ms / 1000));
}

/** One more wrong try: the last of `maxAttempts` locks, for twice as long as the lock before. */
export function countFailure(
  lock: Lockout,
  { now, maxAttempts }: { now: Date; maxAttempts: number },
): Lockout {
  const failures = lock.failures + 1;
  if (failures < maxAttempts) return { failures, level: lock.level, locked_until: null };
  const secs = Math.min(firstLockSecs * 2 ** Math.min(lock.level, 20), maxLockSecs);
  return { failures: 0, level: lock.level + 1, locked_until: new Date(now.getTime() + secs * 1000) };
}

/** Wrong tries that are left before the next lock. */
export function attemptsLeft(lock: Lockout, maxAttempts: number): number {
  return lock.locked_until ? 0 : maxAttempts - lock.failures;
}

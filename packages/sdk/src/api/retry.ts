import { type AnySottoError, SottoError, abortOf, throwIfAborted } from "../errors.ts";

const baseMs = 250;
const capMs = 30_000;
/** The longest pause that a server is granted. A timer of more than 24 days ends at once. */
const maxAskedMs = 86_400_000;

/** A number from 0 up to, not including, 1. */
export function secureRandom(): number {
  const [value = 0] = globalThis.crypto.getRandomValues(new Uint32Array(1));
  return value / 2 ** 32;
}

/** Exponential back-off with full jitter: anything from nothing to 250 ms · 2^attempt, at most 30 s. */
export function backoffMs(attempt: number, random: () => number = secureRandom): number {
  return random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 16));
}

/** Rejects with `ABORTED`, or the signal's own reason, as soon as the signal aborts. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(abortOf(signal));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

interface RetryOptions {
  signal: AbortSignal;
  /** Gives up this long after the first try. */
  forMs?: number | undefined;
}

/** Repeats what may succeed later, until it does, the signal aborts or the time is up. Throws the last error. */
export async function retrying<T>(
  run: () => Promise<T>,
  { signal, forMs = Infinity }: RetryOptions,
): Promise<T> {
  const endsAt = performance.now() + forMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof SottoError) || error.retry !== "later" || signal.aborted) throw error;
      const pauseMs = Math.max(askedPauseMs(error), backoffMs(attempt));
      if (performance.now() + pauseMs > endsAt) throw error;
      await sleep(pauseMs, signal);
    }
  }
}

function askedPauseMs(error: AnySottoError): number {
  const isLimit = error.code === "RATE_LIMITED" || error.code === "GROUP_RATE_LIMITED";
  return isLimit ? Math.min(error.details.retryAfter * 1000, maxAskedMs) : 0;
}

interface Deadline {
  timeoutMs: number;
  /** The caller's own. */
  signal?: AbortSignal | undefined;
}

/**
 * Runs what is given up after a time. Not by `AbortSignal.timeout`: Node 20 forgets one that is only known to an
 * `AbortSignal.any`, and the call then waits for ever.
 */
export async function withDeadline<T>(
  { timeoutMs, signal }: Deadline,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  try {
    return await run(signal ? AbortSignal.any([signal, timeout.signal]) : timeout.signal);
  } finally {
    clearTimeout(timer);
  }
}

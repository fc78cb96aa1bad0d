import { pino, type DestinationStream, type Logger } from "pino";

export type Log = Logger;

/** Never written, at any depth that our own log calls use. */
const secretKeys = [
  "token",
  "accessToken",
  "authorization",
  "phone",
  "otp",
  "pin",
  "currentPin",
  "code_hash",
  "ciphertext",
  "wrap",
  "wraps",
  "publicKey",
  "pushToken",
  "password",
  "secret",
];

export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: "[redacted]" },
    serializers: { err: describeError },
  };
  return destination ? pino(options, destination) : pino(options);
}

/**
 * Name, code and stack of an error and of its causes. A database error's `detail` and its message
 * can hold a row's values, so of those only the code and the constraint's name are kept.
 */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const fromDatabase = "severity" in error && "code" in error;
  return {
    type: error.name,
    ...("code" in error ? { code: error.code } : {}),
    ...("constraint" in error ? { constraint: error.constraint } : {}),
    ...(fromDatabase ? {} : { message: error.message }),
    stack: stackWithoutMessage(error),
    ...(error.cause ? { cause: describeError(error.cause) } : {}),
  };
}

function stackWithoutMessage(error: Error): string | undefined {
  const at = error.stack?.indexOf("\n    at ") ?? -1;
  return at < 0 ? undefined : error.stack?.slice(at + 1);
}

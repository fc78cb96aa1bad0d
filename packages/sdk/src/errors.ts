import { type ErrorCode, type ErrorDetails, type UserId, errorDefinition, isErrorCode } from "@sotto/schema";
import type { BackupRefusal } from "./backup/backup-file.ts";
import type { LinkRefusal } from "./identity/link-code.ts";
import type { FileRejection } from "./files/file-rejection.ts";
import type { UnreachableDevice } from "./crypto/wrap-for-devices.ts";

/** When the same call may succeed: `later` by itself, `after_change` once something else was done. */
export type RetryAdvice = "never" | "later" | "after_change";

/** The errors that arise in the client itself. */
const clientErrors = {
  NETWORK: { message: "The server could not be reached", retry: "later" },
  BAD_ANSWER: { message: "The server's answer is not of the contract", retry: "never" },
  ABORTED: { message: "Aborted", retry: "never" },
  CLOSED: { message: "The client is closed", retry: "never" },
  NOT_SIGNED_IN: { message: "Nobody is signed in", retry: "after_change" },
  SIGNED_OUT: { message: "The session has ended: sign in again", retry: "after_change" },
  DEVICE_REMOVED: { message: "This device was removed", retry: "after_change" },
  REPLACED: { message: "This device's stream was opened elsewhere", retry: "after_change" },
  NO_USABLE_KEYS: { message: "The peer has no device that can be sealed to", retry: "after_change" },
  NO_POST_QUANTUM_KEYS: {
    message: "No device of the peer can be sealed to with X-Wing",
    retry: "after_change",
  },
  TOO_MANY_DEVICES: {
    message: "The members have more devices than a message can be sealed for",
    retry: "after_change",
  },
  TOO_MANY_REACTIONS: {
    message: "You have put as many emojis on the message as one may",
    retry: "after_change",
  },
  NOT_YOUR_MESSAGE: { message: "Only its author edits or deletes a message", retry: "never" },
  IDENTITY_CHANGED: { message: "The user has another identity key: confirm it first", retry: "after_change" },
  DEVICE_NOT_LINKED: { message: "Another device has to approve this one", retry: "after_change" },
  ALREADY_LINKED: { message: "This device is linked", retry: "never" },
  CANNOT_SIGN: { message: "This device may not sign device lists", retry: "after_change" },
  RECOVERY_KEY_INVALID: { message: "The recovery key is mistyped", retry: "after_change" },
  BACKUP_REFUSED: { message: "The backup is refused", retry: "never" },
  LINK_REFUSED: { message: "The link code is not good", retry: "after_change" },
  FILE_GONE: { message: "What was to be sent is not there any more", retry: "never" },
  FILE_REJECTED: { message: "The file is not the one that the message names", retry: "never" },
  INVALID_INPUT: { message: "Invalid input", retry: "never" },
  BUSY: { message: "The messages are already being read", retry: "after_change" },
  STORE_LOCKED: { message: "The store is open in another client", retry: "after_change" },
  STORE_FAILED: { message: "The store failed", retry: "never" },
  STORE_MISMATCH: { message: "The store belongs to another user", retry: "after_change" },
  STORE_TOO_NEW: { message: "The store was written by a newer version of the SDK", retry: "after_change" },
  STORE_DAMAGED: { message: "The store holds something that it was not given", retry: "never" },
  STORE_EVICTED: { message: "The browser has deleted the store", retry: "after_change" },
  WRONG_PASSPHRASE: { message: "The passphrase or key does not open the store", retry: "after_change" },
} as const satisfies Record<string, { message: string; retry: RetryAdvice }>;

/** The codes of errors that arise in the client itself. */
export type ClientErrorCode = keyof typeof clientErrors;

/** Every code that a {@link SottoError} may have: the contract's and the client's own. */
export type SottoErrorCode = ErrorCode | ClientErrorCode;

interface ClientErrorDetails {
  NO_USABLE_KEYS: { unreachable: UnreachableDevice[] };
  NO_POST_QUANTUM_KEYS: { unreachable: UnreachableDevice[] };
  INVALID_INPUT: { field: string };
  TOO_MANY_DEVICES: { devices: number; max: number };
  TOO_MANY_REACTIONS: { max: number };
  IDENTITY_CHANGED: { userId: UserId };
  BACKUP_REFUSED: { reason: BackupRefusal };
  FILE_REJECTED: { reason: FileRejection };
  LINK_REFUSED: { reason: LinkRefusal };
}

/** What `details` holds for a code; `undefined` for most. */
export type SottoErrorDetails<Code extends SottoErrorCode> = Code extends keyof ClientErrorDetails
  ? ClientErrorDetails[Code]
  : Code extends ErrorCode
    ? ErrorDetails<Code>
    : undefined;

/** A {@link SottoError} of any code: after a check of `code`, `details` has that code's type. */
export type AnySottoError = { [Code in SottoErrorCode]: SottoError<Code> }[SottoErrorCode];

interface SottoErrorOptions {
  details?: unknown;
  /** Names the call in the server's log. */
  requestId?: string | undefined;
  cause?: unknown;
}

/**
 * The one error of the SDK.
 *
 * @example
 * ```ts
 * try {
 *   await conversation.send("hello");
 * } catch (error) {
 *   if (error instanceof SottoError && error.code === "RATE_LIMITED") await sleep(error.details.retryAfter * 1000);
 *   else throw error;
 * }
 * ```
 */
export class SottoError<Code extends SottoErrorCode = SottoErrorCode> extends Error {
  override readonly name = "SottoError";
  readonly code: Code;
  readonly details: SottoErrorDetails<Code>;
  readonly retry: RetryAdvice;
  readonly requestId: string | undefined;

  constructor(code: Code, options: SottoErrorOptions = {}) {
    const { message, retry } = describe(code);
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.retry = retry;
    this.requestId = options.requestId;
    // The contract's details were parsed by `toSottoError`; the client's own are made beside their code.
    this.details = options.details as SottoErrorDetails<Code>;
  }

  /** Also true for an error of another copy of this package; narrows to the union over all codes. */
  static override [Symbol.hasInstance](value: unknown): value is AnySottoError {
    return value instanceof Error && value.name === "SottoError" && "code" in value && "retry" in value;
  }
}

/** Makes an error whose code is known at run time only. */
export function makeError(code: SottoErrorCode, options?: SottoErrorOptions): AnySottoError {
  const error: unknown = new SottoError(code, options);
  if (error instanceof SottoError) return error;
  throw new TypeError("not an error");
}

function describe(code: SottoErrorCode): { message: string; retry: RetryAdvice } {
  if (!isErrorCode(code)) return clientErrors[code];
  const { detail, retry } = errorDefinition(code);
  return { message: detail, retry };
}

/** `ABORTED`, or the signal's reason where that says more, such as that the client was closed. */
export function abortOf({ reason }: AbortSignal): AnySottoError {
  const given: unknown = reason;
  return given instanceof SottoError ? given : makeError("ABORTED", { cause: given });
}

/** Throws {@link abortOf} a signal that has aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortOf(signal);
}

/** Makes an `INVALID_INPUT` that names the field. */
export function invalidInput(field: string, cause?: unknown): SottoError<"INVALID_INPUT"> {
  return new SottoError("INVALID_INPUT", { details: { field }, cause });
}

const authErrors = new Set<SottoErrorCode>([
  "NOT_AUTHENTICATED",
  "TOKEN_EXPIRED",
  "TOKEN_INVALID",
  "TOKEN_DEVICE_REMOVED",
]);

/** The store cannot be read or written now: nothing is known of what was to be done. */
export function isStoreError(error: unknown): boolean {
  return error instanceof SottoError && error.code.startsWith("STORE_");
}

/** The token is not good any more. */
export function isAuthError(error: unknown): boolean {
  return error instanceof SottoError && authErrors.has(error.code);
}

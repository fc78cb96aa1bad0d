import * as z from "zod/mini";
import { deviceId, userId } from "./primitives.ts";

/** When the same call may be tried again. */
type Retry = "never" | "later" | "after_change";

interface ErrorDefinition {
  status: number;
  /** The text of REST's `detail`, and of the SDK's error message. */
  detail: string;
  retry: Retry;
  /** What `details` holds; without one there are none. */
  details?: z.ZodMiniType;
  /** `object`: REST's `detail` is `{code, …details}`; `list`: it is `details.issues`. */
  rest?: "object" | "list";
}

const retryAfter = z.object({ retryAfter: z.int().check(z.minimum(0), z.describe("Seconds")) });
const uploadOffset = z.object({ offset: z.int().check(z.minimum(0), z.describe("Where to go on")) });
const deviceRef = z.object({ userId, deviceId });

/** Every error that a caller can meet, in one closed table. */
export const errors = {
  NOT_AUTHENTICATED: { status: 401, detail: "Not authenticated", retry: "never" },
  TOKEN_EXPIRED: { status: 401, detail: "Token expired", retry: "never" },
  TOKEN_INVALID: { status: 401, detail: "Invalid token", retry: "never" },
  /** The session ended because its device was removed; on a tRPC socket that is close code 4403. */
  TOKEN_DEVICE_REMOVED: { status: 401, detail: "Invalid token", retry: "never" },
  DEVICE_REQUIRED: { status: 403, detail: "This token has published no device", retry: "after_change" },

  VALIDATION_FAILED: {
    status: 422,
    detail: "Validation failed",
    retry: "never",
    rest: "list",
    details: z.object({
      issues: z.array(
        z.object({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string(), type: z.string() }),
      ),
    }),
  },
  ROUTE_NOT_FOUND: { status: 404, detail: "Not Found", retry: "never" },
  METHOD_NOT_ALLOWED: { status: 405, detail: "Method Not Allowed", retry: "never" },
  PAYLOAD_TOO_LARGE: { status: 413, detail: "Payload too large", retry: "never" },
  STORAGE_QUOTA_EXCEEDED: { status: 413, detail: "Storage quota exceeded", retry: "after_change" },
  REQUEST_TIMEOUT: { status: 408, detail: "Request Timeout", retry: "later" },
  RANGE_NOT_SATISFIABLE: { status: 416, detail: "Range Not Satisfiable", retry: "never" },

  INVALID_PHONE: { status: 400, detail: "Invalid phone", retry: "never" },
  OTP_INVALID: { status: 400, detail: "Invalid OTP", retry: "never" },
  OTP_RATE_LIMITED: {
    status: 429,
    detail: "Too many codes requested",
    retry: "later",
    rest: "object",
    details: retryAfter,
  },
  OTP_LOCKED: {
    status: 429,
    detail: "Too many wrong codes",
    retry: "later",
    rest: "object",
    details: retryAfter,
  },
  /** The code was right and is still good: the same call again, with the PIN. */
  PIN_REQUIRED: { status: 403, detail: "The PIN is needed", retry: "after_change", rest: "object" },
  PIN_INVALID: {
    status: 403,
    detail: "Wrong PIN",
    retry: "after_change",
    rest: "object",
    details: z.object({ attemptsLeft: z.int().check(z.minimum(0), z.describe("Until the next lock")) }),
  },
  OTP_NOT_SENT: { status: 503, detail: "The code could not be sent", retry: "later" },

  DEVICE_NOT_FOUND: { status: 404, detail: "Device not found", retry: "never" },
  DEVICE_INVALID: { status: 403, detail: "Invalid device", retry: "never" },
  DEVICE_LIMIT_REACHED: { status: 409, detail: "Too many devices", retry: "after_change" },
  /** The list does not follow the newest one: get what came in between, and sign the next. */
  DEVICE_LIST_CONFLICT: {
    status: 409,
    detail: "The list does not follow the newest one",
    retry: "after_change",
    rest: "object",
    details: z.object({ currentVersion: z.int().check(z.minimum(0)) }),
  },
  /** No well-formed list (`list`), or another user's (`user_id`). */
  DEVICE_LIST_REFUSED: {
    status: 422,
    detail: "The device list is refused",
    retry: "never",
    rest: "object",
    details: z.object({ field: z.string() }),
  },
  USER_NOT_FOUND: { status: 404, detail: "User not found", retry: "never" },

  CONTACT_NOT_FOUND: { status: 404, detail: "Contact not found", retry: "never" },
  CONTACT_SELF: { status: 400, detail: "Cannot add self", retry: "never" },
  CONTACT_LIMIT_REACHED: { status: 409, detail: "Too many contacts", retry: "never" },
  BLOCK_SELF: { status: 400, detail: "Cannot block self", retry: "never" },
  BLOCK_LIMIT_REACHED: { status: 409, detail: "Too many blocks", retry: "after_change" },
  /** The caller has blocked the recipient. */
  RECIPIENT_BLOCKED: { status: 403, detail: "Recipient blocked", retry: "after_change" },
  YOU_ARE_BLOCKED: { status: 403, detail: "You are blocked", retry: "after_change" },

  RECIPIENT_SELF: { status: 400, detail: "Cannot send to self", retry: "never" },
  RECIPIENT_ID_INVALID: { status: 400, detail: "Invalid recipient id", retry: "never" },
  RECIPIENT_NOT_FOUND: { status: 404, detail: "Recipient not found", retry: "never" },
  CONVERSATION_NOT_FOUND: { status: 404, detail: "Conversation not found", retry: "never" },
  GROUP_NOT_FOUND: { status: 404, detail: "Group not found", retry: "never" },
  GROUP_ARCHIVED: { status: 409, detail: "Group archived", retry: "after_change" },
  GROUP_FULL: { status: 409, detail: "Group full", retry: "after_change" },
  ONLY_OWNER: { status: 403, detail: "Only owner", retry: "after_change" },
  ONLY_MODERATORS: { status: 403, detail: "Only owner or admin", retry: "after_change" },
  MEMBER_PROTECTED: { status: 403, detail: "Admins remove members only", retry: "after_change" },
  MEMBER_BLOCKED: { status: 403, detail: "User blocked", retry: "after_change" },
  MEMBER_NOT_FOUND: { status: 404, detail: "User not in group", retry: "never" },
  ROLE_INVALID: { status: 400, detail: "Invalid role", retry: "never" },
  OWNER_MUST_TRANSFER: { status: 409, detail: "Transfer ownership first", retry: "after_change" },
  AVATAR_NOT_FOUND: { status: 404, detail: "No avatar", retry: "never" },
  BODY_EMPTY: { status: 400, detail: "Empty body", retry: "never" },
  MEDIA_TYPE_UNSUPPORTED: { status: 415, detail: "Unsupported Media Type", retry: "never" },
  INVITE_NOT_FOUND: { status: 404, detail: "Invite not found", retry: "never" },
  INVITE_EXPIRED: { status: 410, detail: "Expired", retry: "never" },
  INVITE_EXHAUSTED: { status: 429, detail: "Invite exhausted", retry: "never" },
  INVITE_LIMIT_REACHED: { status: 409, detail: "Too many invites", retry: "after_change" },
  LOG_NOT_FOUND: { status: 404, detail: "Log not found", retry: "never" },
  ATTACHMENT_NOT_FOUND: { status: 404, detail: "Attachment not found", retry: "never" },
  ATTACHMENT_LIMIT_REACHED: { status: 409, detail: "Too many attachments", retry: "never" },
  UPLOAD_NOT_FOUND: { status: 404, detail: "Upload not found", retry: "never" },
  /** The id is that of another upload, or the upload is attached to another message. */
  UPLOAD_IN_USE: { status: 409, detail: "Upload in use", retry: "never" },
  UPLOAD_INCOMPLETE: {
    status: 409,
    detail: "The upload is not complete",
    retry: "after_change",
    rest: "object",
    details: uploadOffset,
  },
  UPLOAD_OFFSET_MISMATCH: {
    status: 409,
    detail: "The upload is at another offset",
    retry: "after_change",
    rest: "object",
    details: uploadOffset,
  },
  /** Nothing of it is kept. */
  UPLOAD_DIGEST_MISMATCH: {
    status: 422,
    detail: "The bytes do not have the announced SHA-256",
    retry: "never",
    rest: "object",
  },
  NOT_MESSAGE_SENDER: { status: 403, detail: "Only the sender", retry: "never" },
  MESSAGE_NOT_FOUND: { status: 404, detail: "Message not found", retry: "never" },
  NOT_A_GROUP_MESSAGE: { status: 400, detail: "Not a group message", retry: "never" },
  REACTION_LIMIT_REACHED: {
    status: 409,
    detail: "Too many reactions to this message",
    retry: "after_change",
  },
  IMPORT_LIMIT_REACHED: { status: 409, detail: "Too many imported messages", retry: "never" },
  ENVELOPE_REFUSED: {
    status: 422,
    detail: "The envelope's header does not match the request",
    retry: "never",
    rest: "object",
    details: z.object({ field: z.string() }),
  },
  DEVICE_LIST_STALE: {
    status: 409,
    detail: "The recipients are not the current devices",
    retry: "after_change",
    rest: "object",
    details: z.object({
      missing: z.array(deviceRef),
      extra: z.array(deviceRef),
      /** Sealed to a key that the device has since replaced. */
      outdated: z.array(deviceRef),
    }),
  },
  CLIENT_MESSAGE_ID_REUSED: {
    status: 409,
    detail: "client_message_id was used for another message",
    retry: "never",
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 409,
    detail: "Idempotency-Key was used for another request",
    retry: "never",
  },

  WEBHOOK_SIGNATURE_INVALID: { status: 403, detail: "Invalid signature", retry: "never" },

  SUBSCRIPTION_NEEDS_SOCKET: {
    status: 400,
    detail: "Subscriptions run over the WebSocket",
    retry: "never",
  },
  RATE_LIMITED: { status: 429, detail: "Rate limit exceeded", retry: "later", details: retryAfter },
  GROUP_RATE_LIMITED: {
    status: 429,
    detail: "Group rate limit exceeded",
    retry: "later",
    details: retryAfter,
  },
  TOO_MANY_CONNECTIONS: { status: 429, detail: "Too many connections", retry: "later" },
  UNAVAILABLE: { status: 503, detail: "Service Unavailable", retry: "later" },
  INTERNAL: { status: 500, detail: "Internal Server Error", retry: "later" },
} as const satisfies Record<string, ErrorDefinition>;

/** Every code with which the server refuses a call; docs/API.md says what each means. */
export type ErrorCode = keyof typeof errors;

/** The details that an error of this code carries; `undefined` for those without. */
export type ErrorDetails<Code extends ErrorCode> = Code extends ErrorCode
  ? (typeof errors)[Code] extends { details: infer Schema extends z.ZodMiniType }
    ? z.output<Schema>
    : undefined
  : never;

/** The table's row of a code, without its literal types. */
export function errorDefinition(code: ErrorCode): ErrorDefinition {
  return errors[code];
}

/** One error as tRPC carries it in `error.data.sotto`. */
export const wireError = z.object({
  code: z.string(),
  details: z.optional(z.unknown()),
  requestId: z.optional(z.string()),
});
export type WireError = { code: ErrorCode; details?: unknown; requestId?: string };

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(errors, value);
}

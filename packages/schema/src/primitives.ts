import { z } from "zod";

/** Any RFC 9562 UUID in lower case. `z.guid()`, since `z.uuid()` refuses some legacy ids. */
const lowerGuid = () => z.guid().refine((value) => value === value.toLowerCase(), "Ids are lower-case UUIDs");

export const userId = lowerGuid().brand<"UserId">();
export const conversationId = lowerGuid().brand<"ConversationId">();
export const messageId = lowerGuid().brand<"MessageId">();

/** A conversation's id, or a user's own id for that user's account log. */
export const logId = lowerGuid().brand<"LogId">();

/** The client's own name for a device, unique within its user. */
export const deviceId = z
  .string()
  .min(1)
  .max(64)
  .refine((value) => isPlain(value), "Control characters and lone surrogates are not allowed")
  .brand<"DeviceId">();

/** The client's own name for a message it sends; a repeated send with it gives the first answer. */
export const clientMessageId = z
  .string()
  .min(1)
  .max(64)
  .refine((value) => isPlain(value), "Control characters and lone surrogates are not allowed");

/** Numbers a log's entries: 1, 2, 3 … without gap. */
export const seq = z.int().min(0);

/** RFC 3339 in UTC with milliseconds and `Z`. */
export const time = z.iso.datetime({ precision: 3 });

/** A text that PostgreSQL gives back as it was: without NUL, and well-formed UTF-16. */
export const text = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .refine(
      (value) => !value.includes("\0") && value.isWellFormed(),
      "NUL and lone surrogates are not allowed",
    );

/** The answer of an operation that has nothing to say but that it is done. */
export const ok = z.object({ detail: z.literal("ok") });

export type UserId = z.output<typeof userId>;
export type ConversationId = z.output<typeof conversationId>;
export type MessageId = z.output<typeof messageId>;
export type LogId = z.output<typeof logId>;
export type DeviceId = z.output<typeof deviceId>;

function isPlain(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return false;
  }
  return value.isWellFormed();
}

/**
 * Reads any RFC 3339 or ISO 8601 time; without a zone it is UTC.
 * Gives milliseconds since the epoch, or undefined when it is no time.
 */
export function parseTime(value: string): number | undefined {
  const match =
    /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)\s?([Zz]|[+-]\d{2}(?::?\d{2})?)?)?$/.exec(
      value.trim(),
    );
  if (!match) return undefined;
  const [, date, clock = "00:00", zone = "Z"] = match;
  const ms = Date.parse(`${date}T${clock.replace(",", ".")}${normaliseZone(zone)}`);
  return Number.isNaN(ms) ? undefined : ms;
}

function normaliseZone(zone: string): string {
  if (zone === "Z" || zone === "z") return "Z";
  const digits = zone.slice(1).replace(":", "");
  return `${zone[0]}${digits.slice(0, 2)}:${digits.slice(2) || "00"}`;
}

import * as z from "zod/mini";

/** Any RFC 9562 UUID in lower case. `z.guid()`, since `z.uuid()` refuses some legacy ids. */
const lowerGuid = () =>
  z.guid().check(z.refine((value) => value === value.toLowerCase(), "Ids are lower-case UUIDs"));

export const userId = lowerGuid().brand<"UserId">();
export const conversationId = lowerGuid().brand<"ConversationId">();
export const messageId = lowerGuid().brand<"MessageId">();
export const attachmentId = lowerGuid().brand<"AttachmentId">();
export const reactionId = lowerGuid().brand<"ReactionId">();

/** A conversation's id, or a user's own id for that user's account log. */
export const logId = lowerGuid().brand<"LogId">();

/** The client's own name for a device, unique within its user. */
export const deviceId = z
  .string()
  .check(
    z.minLength(1),
    z.maxLength(64),
    z.refine((value) => isPlain(value), "Control characters and lone surrogates are not allowed"),
  )
  .brand<"DeviceId">();

/** The client's own name for a message it sends; a repeated send with it gives the first answer. */
export const clientMessageId = z.string().check(
  z.minLength(1),
  z.maxLength(64),
  z.refine((value) => isPlain(value), "Control characters and lone surrogates are not allowed"),
);

/** Numbers a log's entries: 1, 2, 3 … without gap. */
export const seq = z.int().check(z.minimum(0));

/** RFC 3339 in UTC with milliseconds and `Z`. */
export const time = z.iso.datetime({ precision: 3 });

/** A text that PostgreSQL gives back as it was: without NUL, and well-formed UTF-16. */
export const text = (maxLength: number) =>
  z.string().check(
    z.maxLength(maxLength),
    z.refine(
      (value) => !value.includes("\0") && value.isWellFormed(),
      "NUL and lone surrogates are not allowed",
    ),
  );

/** Most code points of an emoji: families with their joiners and flags with their tags fit. */
const maxEmojiChars = 16;

/** 1 to 16 code points of any text: the server does not know what is an emoji and what is not. */
export const emoji = z.string().check(
  z.minLength(1),
  z.maxLength(2 * maxEmojiChars),
  z.refine((value) => Array.from(value).length <= maxEmojiChars, `At most ${maxEmojiChars} characters`),
  z.refine((value) => isPlain(value), "Control characters and lone surrogates are not allowed"),
  // JSON schema counts code points, zod UTF-16 units.
  z.meta({ maxLength: maxEmojiChars }),
);

/** The answer of an operation that has nothing to say but that it is done. */
export const ok = z.object({ detail: z.literal("ok") });

/** A UUID that only a user has: its type keeps it apart from other ids. */
export type UserId = z.output<typeof userId>;
/** A conversation's UUID, of a direct one and of a group. */
export type ConversationId = z.output<typeof conversationId>;
/** The UUID that the server gives a message. */
export type MessageId = z.output<typeof messageId>;
export type AttachmentId = z.output<typeof attachmentId>;
export type ReactionId = z.output<typeof reactionId>;
/** A log's UUID: that of its user or conversation. */
export type LogId = z.output<typeof logId>;
/** A device's UUID: each sign-in on a new store makes a new one. */
export type DeviceId = z.output<typeof deviceId>;

function isPlain(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return false;
  }
  return value.isWellFormed();
}

const timePattern =
  /^(\d{4})(-?)(\d{2})\2(\d{2})(?:[Tt ](\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?)?\s?([Zz]|[+-]\d{2}(?::?\d{2})?)?)?$/;

/**
 * Reads any RFC 3339 or ISO 8601 calendar time, extended or basic; without a zone it is UTC.
 * Gives milliseconds since the epoch, or undefined when it is no time.
 */
export function parseTime(value: string): number | undefined {
  const match = timePattern.exec(value.trim());
  if (!match) return undefined;
  const [, year, , month, day, hour = "00", minute = "00", second = "00", fraction = "", zone = "Z"] = match;
  const date = `${year}-${month}-${day}`;
  const midnight = Date.parse(`${date}T00:00:00Z`);
  // `Date` takes 30 February for 2 March.
  if (Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(date)) return undefined;
  const isMidnightAfter = hour === "24" && Number(minute) + Number(second) + Number(fraction) === 0;
  const offsetMs = parseOffset(zone);
  // RFC 3339 has leap seconds.
  const isOnClock = Number(hour) <= 23 && Number(minute) <= 59 && Number(second) <= 60;
  if ((!isOnClock && !isMidnightAfter) || offsetMs === undefined) return undefined;
  const seconds = (Number(hour) * 60 + Number(minute)) * 60 + Number(second);
  return midnight + seconds * 1000 + Number(fraction.padEnd(3, "0").slice(0, 3)) - offsetMs;
}

function parseOffset(zone: string): number | undefined {
  if (zone === "Z" || zone === "z") return 0;
  const digits = zone.slice(1).replace(":", "").padEnd(4, "0");
  const [hours, minutes] = [Number(digits.slice(0, 2)), Number(digits.slice(2))];
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

import {
  type Entry,
  type Event,
  type SyncEvent,
  type UserId,
  conversationId,
  deviceId,
  entry,
  event,
  messageId,
  syncEvent,
  time,
  userId,
} from "@sotto/schema";
import * as z from "zod/mini";
import { SottoError } from "../errors.ts";

/** An entry whose event may be of a kind that this version does not know: its number counts all the same. */
export interface SyncEntry extends Omit<Entry, "event"> {
  event: Event | undefined;
  /** Why its message is not to be opened, but shown as unreadable. */
  refused?: "wrong_conversation" | "malformed" | undefined;
}

const anyEntry = z.extend(entry, { event: z.unknown() });
const filled = z.object({ entries: z.array(anyEntry) });

/** As much of a message as its line needs. */
const brokenMessage = z.object({
  type: z.literal("message.created"),
  message: z.object({
    id: messageId,
    conversationId,
    senderUserId: userId,
    senderDeviceId: deviceId,
    sentAt: time,
  }),
});

function readBroken(content: unknown, account: UserId): Event | undefined {
  const { data } = brokenMessage.safeParse(content);
  const rest = { recipientUserId: account, ciphertext: "", wrap: null, delivered: false, read: false };
  return data && { type: data.type, message: { ...data.message, ...rest } };
}

/** The log that an event belongs in: of the conversation that it speaks of, or of the account. */
function logOf(content: Event, account: UserId): string {
  switch (content.type) {
    case "message.created":
      return content.message.conversationId;
    case "reaction.added":
    case "reaction.removed":
    case "attachment.added":
    case "message.deleted":
    case "group.changed":
      return content.conversationId;
    default:
      return account;
  }
}

/** What stands in another log than its own says nothing: a server could show what was said elsewhere. */
function toEntry({ event: content, ...numbered }: z.output<typeof anyEntry>, account: UserId): SyncEntry {
  const known = event.safeParse(content);
  const readable = known.data ?? readBroken(content, account);
  const isInPlace = readable && logOf(readable, account) === (numbered.log as string);
  if (readable?.type !== "message.created") return { ...numbered, event: isInPlace ? readable : undefined };
  const refused = !isInPlace ? "wrong_conversation" : known.success ? undefined : "malformed";
  return { ...numbered, event: readable, refused };
}

type StreamEvent = Exclude<SyncEvent, { type: "entry" }> | { type: "entry"; entry: SyncEntry };

/** One event of the stream of this account; undefined for one of a kind that this version does not know. */
export function parseStreamEvent(value: unknown, account: UserId): StreamEvent | undefined {
  const known = syncEvent.safeParse(value);
  if (known.success && known.data.type !== "entry") return known.data;
  const numbered = anyEntry.safeParse(value);
  return numbered.success ? { type: "entry", entry: toEntry(numbered.data, account) } : undefined;
}

/** The answer of `sync.fill`. Throws `BAD_ANSWER`. */
export function parseFilled(value: unknown, account: UserId): SyncEntry[] {
  const { data } = filled.safeParse(value);
  if (!data) throw new SottoError("BAD_ANSWER");
  return data.entries.map((one) => toEntry(one, account));
}

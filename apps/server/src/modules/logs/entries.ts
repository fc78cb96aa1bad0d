import type {
  AccountEvent,
  ConversationEvent,
  ConversationId,
  DeviceId,
  Entry,
  LogId,
  Message,
  MessageId,
  UserId,
} from "@sotto/schema";

/** A message as its row holds it, the same for every reader. */
export interface StoredMessage {
  id: MessageId;
  conversationId: ConversationId;
  senderUserId: UserId;
  senderDeviceId: DeviceId;
  /** null in a group: whoever reads it. */
  recipientUserId: UserId | null;
  ciphertext: string;
  sentAt: string;
  /** `deviceKey` of a device to its wrap; null where the message was not sealed for devices. */
  wraps: Record<string, string> | null;
}

/** One numbered entry, as it goes from its transaction, or from the database, to the feeds. */
export interface LogEntry {
  log: LogId;
  seq: number;
  /** RFC 3339. */
  at: string;
  body: AccountEvent | ConversationEvent | { type: "message.created"; message: StoredMessage };
}

/** Whose view of an entry is wanted. */
export interface Reader {
  userId: UserId;
  deviceId: DeviceId | null;
}

/** The members of a group as of the membership entry `rosterSeq`, and those who left with the entry told of. */
export interface GroupAudience {
  conversationId: ConversationId;
  rosterSeq: number;
  left?: UserId[];
}

/** Who is to be told of an entry. */
export type Audience = readonly UserId[] | GroupAudience;

/** Names a device inside the wraps of one message. */
export function deviceKey(userId: UserId, deviceId: DeviceId): string {
  return `${userId}/${deviceId}`;
}

/** The log of a user's account and the log of a conversation are named by their owner's id. */
export const accountLog = (userId: UserId): LogId => userId as string as LogId;
export const conversationLog = (id: ConversationId): LogId => id as string as LogId;

/** The entry as this reader is to see it: a device is given its own wrap only. */
export function viewEntry(entry: LogEntry, reader: Reader): Entry {
  const { log, seq, at, body } = entry;
  if (body.type !== "message.created") return { log, seq, at, event: body };
  return { log, seq, at, event: { type: body.type, message: viewNewMessage(body.message, reader) } };
}

export function viewNewMessage(stored: StoredMessage, reader: Reader): Message {
  return { ...ownPart(stored, reader), ...sharedPart(stored) };
}

/** What each reader of a new message is given differently. */
export function ownPart(
  { recipientUserId, wraps }: StoredMessage,
  { userId, deviceId }: Reader,
): Pick<Message, "recipientUserId" | "wrap"> {
  const wrap = wraps && deviceId ? (wraps[deviceKey(userId, deviceId)] ?? null) : null;
  return { recipientUserId: recipientUserId ?? userId, wrap };
}

/** What is the same for all of them. */
export function sharedPart(stored: StoredMessage): Omit<Message, "recipientUserId" | "wrap"> {
  const { wraps: _wraps, recipientUserId: _recipient, ...shared } = stored;
  return { ...shared, delivered: false, read: false };
}

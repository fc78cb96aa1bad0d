/** Reads timelines from the store: no network, and of a page only its own records. */
import type { ConversationId, UserId } from "@sotto/schema";
import type { MessageRef } from "../crypto/payload.ts";
import type { Destination } from "../messages/destination.ts";
import { type Unplaced, listUnplaced } from "../messages/outgoing-queue.ts";
import { directRecord } from "../messages/participants.ts";
import type { Session } from "../session.ts";
import { type Message, toMessage, toUnplacedMessage } from "./message.ts";
import type { Reaction } from "./overlay.ts";
import { withPending } from "./pending-changes.ts";
import { type StoredConversation, conversationRecord, messageRecord, placeRecord } from "./records.ts";
import { type SearchInput, searchIndex } from "./search-index.ts";

/** A conversation as a list shows it. */
export interface ConversationSummary {
  id: ConversationId;
  /** Null for a group. */
  peerUserId: UserId | null;
  isGroup: boolean;
  /** A group's. */
  name: string | null;
  /** RFC 3339; null without messages. */
  lastMessageAt: string | null;
  /** The newest line that is stored here. */
  lastMessage: Message | null;
  unreadCount: number;
}

type Reading = Pick<Session, "store" | "me">;

interface PagePlace {
  to: Destination;
  /** undefined: nothing of it is in the log yet. */
  conversationId: ConversationId | undefined;
}

export async function findPlace({ store }: Reading, to: Destination): Promise<PagePlace> {
  const id = to.kind === "group" ? to.conversationId : await directRecord.get(store, to.peerUserId);
  return { to, conversationId: id };
}

export function destinationOf(
  id: ConversationId,
  { peerUserId }: Pick<StoredConversation, "peerUserId">,
): Destination {
  return peerUserId === null ? { kind: "group", conversationId: id } : { kind: "direct", peerUserId };
}

/** A line, by its number in the log, or its key while it has none. */
export type LineName = Pick<Message, "key" | "seq">;

/** A line's number now: it may have got one since the caller has seen it. */
export async function findSeq(
  { store, me }: Reading,
  conversationId: ConversationId | undefined,
  { key, seq }: LineName,
): Promise<number | undefined> {
  return seq ?? (conversationId && (await placeRecord.get(store, conversationId, me.userId, key)));
}

/** The newest lines before one, or of all, oldest first; those that have no number yet come last. */
export async function readPage(
  { store, me }: Reading,
  { to, conversationId }: PagePlace,
  { before, limit }: { before: LineName | undefined; limit: number },
): Promise<Message[]> {
  const unplaced = await listUnplaced(store, to);
  const beforeSeq = before && (await findSeq({ store, me }, conversationId, before));
  const waiting = linesBefore(toLines(unplaced, me), before).slice(-limit);
  const left = limit - waiting.length;
  if (conversationId === undefined || left === 0) return waiting;
  const stored = await messageRecord.list(store, [conversationId], {
    isReversed: true,
    limit: left,
    after: beforeSeq === undefined ? undefined : [conversationId, beforeSeq],
  });
  const peerUserId = to.kind === "direct" ? to.peerUserId : null;
  const placed = stored.toReversed().map(({ path, value }) => {
    const seq = Number(path[1]);
    return toMessage(withPending(value, unplaced, me), { conversationId, peerUserId, seq, me });
  });
  // One of those may have got its place meanwhile.
  const keys = new Set(placed.map(({ key }) => key));
  return [...placed, ...waiting.filter(({ key }) => !keys.has(key))];
}

export function toLines(unplaced: readonly Unplaced[], me: Session["me"]): Message[] {
  return unplaced.flatMap((one) => {
    const line = toUnplacedMessage(one, me);
    return line ? [line] : [];
  });
}

/** Of lines without a number. One that is none of them has a number, or was taken back. */
function linesBefore(lines: readonly Message[], before: LineName | undefined): Message[] {
  if (!before) return [...lines];
  const at = before.seq === null ? lines.findIndex(({ key }) => key === before.key) : -1;
  return lines.slice(0, Math.max(0, at));
}

export async function readPlaced(
  { store, me }: Reading,
  { conversationId, seq }: { conversationId: ConversationId; seq: number },
): Promise<Message | undefined> {
  const [message, conversation] = await Promise.all([
    messageRecord.get(store, conversationId, seq),
    conversationRecord.get(store, conversationId),
  ]);
  if (!message) return undefined;
  const unplaced = conversation ? await listUnplaced(store, destinationOf(conversationId, conversation)) : [];
  const peerUserId = conversation?.peerUserId ?? null;
  return toMessage(withPending(message, unplaced, me), { conversationId, peerUserId, seq, me });
}

/** A message by its sender's own id of it. */
export async function readNamed(
  { store, me }: Reading,
  { to, conversationId }: PagePlace,
  name: MessageRef,
): Promise<Message | undefined> {
  const { senderUserId, clientMessageId } = name;
  const seq = conversationId && (await placeRecord.get(store, conversationId, senderUserId, clientMessageId));
  if (conversationId !== undefined && seq !== undefined)
    return readPlaced({ store, me }, { conversationId, seq });
  const unplaced = (await listUnplaced(store, to)).find((one) => one.clientMessageId === clientMessageId);
  return unplaced && senderUserId === me.userId ? toUnplacedMessage(unplaced, me) : undefined;
}

export async function summarize(
  reading: Reading,
  id: ConversationId,
): Promise<ConversationSummary | undefined> {
  const conversation = await conversationRecord.get(reading.store, id);
  return conversation && summarizeRead(reading, id, conversation);
}

/** The same of one that was read from the store already. */
export async function summarizeRead(
  reading: Reading,
  id: ConversationId,
  conversation: StoredConversation,
): Promise<ConversationSummary> {
  const { peerUserId, isGroup, name, lastMessageAt, unreadCount } = conversation;
  const to = destinationOf(id, conversation);
  const [lastMessage = null] = await readPage(
    reading,
    { to, conversationId: id },
    { before: undefined, limit: 1 },
  );
  return { id, peerUserId, isGroup, name, lastMessageAt, lastMessage, unreadCount };
}

/** Lines of any conversations are in the order of this text: by time, and of one time always the same. */
export function ageOf({
  sentAt,
  conversationId,
  seq,
}: Pick<Message, "sentAt" | "conversationId" | "seq">): string {
  return `${sentAt} ${conversationId} ${String(seq).padStart(16, "0")}`;
}

/** Lines whose text has every word of the query, newest first. Throws `ABORTED`. */
export async function searchTimeline(
  reading: Reading,
  conversationId: ConversationId,
  page: SearchInput & { beforeAge?: string | undefined; limit: number },
): Promise<Message[]> {
  const { beforeAge, limit, ...input } = page;
  const found: Message[] = [];
  for await (const seq of searchIndex(reading.store, conversationId, input)) {
    const message = await readPlaced(reading, { conversationId, seq });
    if (message && (beforeAge === undefined || ageOf(message) < beforeAge)) found.push(message);
    if (found.length === limit) break;
  }
  return found;
}

/** This user's last word on each emoji of a message, by this user's clocks. */
export async function findOwnReactions(
  { store, me }: Reading,
  to: Destination,
  target: MessageRef,
): Promise<Reaction[]> {
  const { conversationId } = await findPlace({ store, me }, to);
  const { senderUserId, clientMessageId } = target;
  const seq = conversationId && (await placeRecord.get(store, conversationId, senderUserId, clientMessageId));
  const message = seq === undefined ? undefined : await messageRecord.get(store, conversationId ?? "", seq);
  if (!message) return [];
  const { overlay } = withPending(message, await listUnplaced(store, to), me);
  return overlay.reactions.filter(({ userId }) => userId === me.userId);
}

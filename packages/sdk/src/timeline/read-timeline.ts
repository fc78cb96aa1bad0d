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
import { searchIndex } from "./search-index.ts";

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

/** The newest lines before a number, oldest first; without one, with those that have no number yet at the end. */
export async function readPage(
  { store, me }: Reading,
  { to, conversationId }: PagePlace,
  { beforeSeq, limit }: { beforeSeq: number | undefined; limit: number },
): Promise<Message[]> {
  const unplaced = await listUnplaced(store, to);
  const waiting = beforeSeq === undefined ? toLines(unplaced, me) : [];
  const left = limit - waiting.length;
  if (conversationId === undefined || left <= 0) return waiting.slice(-limit);
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
  return [...placed, ...waiting];
}

export function toLines(unplaced: readonly Unplaced[], me: Session["me"]): Message[] {
  return unplaced.flatMap((one) => {
    const line = toUnplacedMessage(one, me);
    return line ? [line] : [];
  });
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
    { beforeSeq: undefined, limit: 1 },
  );
  return { id, peerUserId, isGroup, name, lastMessageAt, lastMessage, unreadCount };
}

/** Lines whose text has every word of the query, newest first. */
export async function searchTimeline(
  reading: Reading,
  conversationId: ConversationId,
  page: { query: string; beforeSeq?: number | undefined; beforeTime?: string | undefined; limit: number },
): Promise<Message[]> {
  const { query, beforeSeq, beforeTime, limit } = page;
  const found: Message[] = [];
  for await (const seq of searchIndex(reading.store, conversationId, { query, beforeSeq })) {
    const message = await readPlaced(reading, { conversationId, seq });
    if (message && (beforeTime === undefined || message.sentAt < beforeTime)) found.push(message);
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

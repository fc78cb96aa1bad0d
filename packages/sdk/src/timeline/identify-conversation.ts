import type { ConversationId, UserId } from "@sotto/schema";
import { SottoError, isStoreError } from "../errors.ts";
import { type FindPeer, findConversation, findGroup } from "../messages/participants.ts";
import type { Session } from "../session.ts";
import type { SyncEntry } from "../sync/sync-event.ts";
import { type StoredConversation, conversationRecord } from "./records.ts";

const blank = {
  name: null,
  lastSeq: 0,
  lastMessageAt: null,
  unreadCount: 0,
  readThrough: 0,
  start: null,
} as const;

/** A conversation before anything of it is stored; what is at `floor` and below is to be asked for. */
export function newConversation(
  kind: { peerUserId: UserId | null; name?: string | null },
  floor: number | null,
): StoredConversation {
  const { peerUserId, name = null } = kind;
  return { ...blank, isGroup: peerUserId === null, peerUserId, name, floor };
}

interface Identifying {
  entry: SyncEntry;
  findPeer: FindPeer;
  signal: AbortSignal;
}

/**
 * Who is in a conversation that an entry is the first one of. What is known here holds, whatever the entry says: it is
 * the server's word. An entry does not say whether it is of a group: where that cannot be seen from it, the server is
 * asked. Undefined: nobody can tell. Throws `NETWORK` and the like.
 */
async function identifyConversation(
  session: Session,
  { entry: { event, seq, log }, findPeer, signal }: Identifying,
): Promise<StoredConversation | undefined> {
  if (!event || !("conversationId" in event || event.type === "message.created")) return undefined;
  const floor = seq - 1;
  // A conversation's own id names its log.
  const known = await findPeer(log as string as ConversationId);
  if (known) return newConversation({ peerUserId: known }, floor);
  if (event.type === "group.changed") {
    const name = event.name ?? (await findName(session, event.conversationId, signal));
    return newConversation({ peerUserId: null, name }, floor);
  }
  if (event.type !== "message.created") {
    const name = await findName(session, event.conversationId, signal);
    return name === null ? undefined : newConversation({ peerUserId: null, name }, floor);
  }
  const { conversationId, senderUserId, recipientUserId } = event.message;
  const { me } = session;
  if (senderUserId === me.userId) {
    const isGroup = known === null || recipientUserId === me.userId;
    const name = isGroup ? await findName(session, conversationId, signal) : null;
    return newConversation({ peerUserId: isGroup ? null : recipientUserId, name }, floor);
  }
  const name = await findName(session, conversationId, signal);
  const isGroup = known === null || name !== null || !(await isDirect(session, event.message, signal));
  return newConversation({ peerUserId: isGroup ? null : senderUserId, name }, floor);
}

/** null: it is no group that this user is in. */
async function findName(session: Session, id: ConversationId, signal: AbortSignal): Promise<string | null> {
  try {
    return (await findGroup(session, id, signal, true)).name;
  } catch (error) {
    if (error instanceof SottoError && error.code === "GROUP_NOT_FOUND") return null;
    throw error;
  }
}

/** Otherwise it is of a group that this user has left since. */
async function isDirect(
  session: Session,
  message: { conversationId: ConversationId; senderUserId: UserId },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return (await findConversation(session, message.senderUserId, signal)) === message.conversationId;
  } catch (error) {
    // It is known here as another's.
    if (error instanceof SottoError && error.code === "BAD_ANSWER") return false;
    const isAnswer = error instanceof SottoError && error.retry !== "later" && !isStoreError(error);
    if (isAnswer && error.code !== "ABORTED") return true;
    throw error;
  }
}

/** The conversation's record, made where there is none. */
export async function ensureConversation(
  session: Session,
  identifying: Identifying,
): Promise<StoredConversation | undefined> {
  const { log } = identifying.entry;
  // What the account log tells of a conversation, as receipts, is no entry of it.
  if (log === (session.me.userId as string)) return undefined;
  const id = log as string as ConversationId;
  return (await conversationRecord.get(session.store, id)) ?? identifyConversation(session, identifying);
}

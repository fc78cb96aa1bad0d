import type { Conversation, ConversationId, UserId } from "@sotto/schema";
import type { App } from "../../app.ts";
import type { Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { holdUsers } from "../accounts/users.service.ts";
import {
  countUnread,
  findDirect,
  insertDirect,
  isMember,
  listConversations,
} from "./conversations.queries.ts";

export {
  countRoster,
  findDirect,
  findGroupOf,
  findLogEnd,
  listFellows,
  listIntervals,
  listMembersInReach,
  listMembersAmong,
  listRoster,
  lockForMember,
  lockMembership,
  setBlockFlag,
} from "./conversations.queries.ts";

/**
 * The direct conversation of two users, made when there is none. Both users are held while it is
 * made, so that a device added meanwhile finds it. Throws `RECIPIENT_NOT_FOUND` for a peer that does not exist.
 */
export async function findOrCreateDirect(app: App, tx: Tx, users: { me: UserId; peer: UserId }) {
  const found = await findDirect(tx, users.me, users.peer);
  if (found) return found;
  const held = await holdUsers(tx, [users.me, users.peer]);
  if (!held.includes(users.peer)) throw new AppError("RECIPIENT_NOT_FOUND");
  await insertDirect(tx, {
    id: app.newId<ConversationId>(),
    users: [users.me, users.peer],
    at: app.now(),
  });
  const made = await findDirect(tx, users.me, users.peer);
  if (!made) throw new Error("A conversation that was just made is not there");
  return made;
}

interface BlockFlags {
  user_a: UserId;
  user_b: UserId;
  blocked_by_a: boolean;
  blocked_by_b: boolean;
}

/** Throws `RECIPIENT_BLOCKED` when I blocked the other one, `YOU_ARE_BLOCKED` when I am blocked. */
export function requireNoBlock(flags: BlockFlags, me: UserId): void {
  const isMine = flags.user_a === me ? flags.blocked_by_a : flags.blocked_by_b;
  const isTheirs = flags.user_a === me ? flags.blocked_by_b : flags.blocked_by_a;
  if (isMine) throw new AppError("RECIPIENT_BLOCKED");
  if (isTheirs) throw new AppError("YOU_ARE_BLOCKED");
}

/** Lets a client learn the conversation's id before its first message, to seal it into the envelope. */
export async function openDirect(call: Call, peerUserId: UserId): Promise<Conversation> {
  const { app, caller } = call;
  if (peerUserId === caller.userId) throw new AppError("RECIPIENT_SELF");
  return transact(call, async (tx) =>
    toConversation({
      ...(await findOrCreateDirect(app, tx, { me: caller.userId, peer: peerUserId })),
      is_group: false,
      name: null,
    }),
  );
}

/** Throws `CONVERSATION_NOT_FOUND` for whoever is and was no member. */
export async function requireMember(call: Call, conversationId: ConversationId): Promise<void> {
  if (!(await isMember(call.app.db, conversationId, call.caller.userId))) {
    throw new AppError("CONVERSATION_NOT_FOUND");
  }
}

export async function getConversations(call: Call): Promise<{ conversations: Conversation[] }> {
  const rows = await listConversations(call.app.db, call.caller.userId);
  return { conversations: rows.map(toConversation) };
}

export async function getConversationsSummary(call: Call) {
  const { conversations } = await getConversations(call);
  const unread = await countUnread(
    call.app.db,
    call.caller.userId,
    conversations.map(({ id }) => id),
  );
  return {
    conversations: conversations.map((conversation) =>
      Object.assign(conversation, { unreadCount: unread.get(conversation.id) ?? 0 }),
    ),
  };
}

function toConversation(row: {
  id: ConversationId;
  user_a: UserId;
  user_b: UserId;
  last_message_at: Date | null;
  is_group: boolean;
  name: string | null;
}): Conversation {
  return {
    id: row.id,
    userA: row.user_a,
    userB: row.user_b,
    lastMessageAt: row.last_message_at?.toISOString() ?? null,
    isGroup: row.is_group,
    name: row.name,
  };
}

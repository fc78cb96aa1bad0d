import { userId as userIdSchema, type ConversationId, type Message, type UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { requireWithinLimit } from "../../pipeline/limits.ts";
import {
  findDirect,
  findGroupOf,
  findOrCreateDirect,
  listRoster,
  requireNoBlock,
} from "../conversations/conversations.service.ts";
import { storeMessage, type Outgoing, type Target } from "./store-message.ts";

type Direct = NonNullable<Awaited<ReturnType<typeof findDirect>>>;
type Group = NonNullable<Awaited<ReturnType<typeof findGroupOf>>>;

/** Sends to a user; the conversation is made if there is none. */
export function sendDirect(call: Call, input: Outgoing & { recipientUserId: string }): Promise<Message> {
  const { app, caller } = call;
  const peer = parseRecipient(call, input.recipientUserId);
  const users = [caller.userId, peer];
  const targetOf = (conversation: Direct): Target => ({
    conversationId: conversation.id,
    rosterVersion: conversation.roster_version,
    rosterSeq: conversation.roster_seq,
    audience: users,
    listUsers: async () => users,
  });
  return storeMessage(call, input, {
    recipientUserId: peer,
    groupId: null,
    peek: async () => {
      const found = await findDirect(app.db, caller.userId, peer);
      return found && targetOf(found);
    },
    find: async (tx) => {
      const conversation = await findOrCreateDirect(app, tx, { me: caller.userId, peer });
      requireNoBlock(conversation, caller.userId);
      return targetOf(conversation);
    },
    findConversation: async () => (await findDirect(app.db, caller.userId, peer))?.id,
  });
}

function parseRecipient(call: Call, value: string): UserId {
  const parsed = userIdSchema.safeParse(value);
  if (!parsed.success) throw new AppError("RECIPIENT_ID_INVALID");
  if (parsed.data === call.caller.userId) throw new AppError("RECIPIENT_SELF");
  return parsed.data;
}

/** Sends to a group: one row, whatever its size. */
export async function sendGroup(call: Call, input: Outgoing & { conversationId: ConversationId }) {
  const { caller } = call;
  const { conversationId } = input;
  await requireGroupLimit(call, conversationId);
  const targetOf = (db: Db | Tx, group: Group): Target => ({
    conversationId,
    rosterVersion: group.roster_version,
    rosterSeq: group.roster_seq,
    audience: { conversationId, rosterSeq: group.roster_seq },
    listUsers: () => listRoster(db, conversationId, group.roster_seq),
  });
  const stored = await storeMessage(call, input, {
    recipientUserId: null,
    groupId: conversationId,
    peek: async () => {
      const group = await findGroupOf(call.app.db, conversationId, caller.userId);
      return group && targetOf(call.app.db, group);
    },
    find: async (tx) => {
      const group = await findGroupOf(tx, conversationId, caller.userId);
      if (!group) throw new AppError("GROUP_NOT_FOUND");
      if (group.archived_at) throw new AppError("GROUP_ARCHIVED");
      return targetOf(tx, group);
    },
    findConversation: async () => conversationId,
  });
  return { detail: "ok" as const, messageIds: [stored.id] };
}

/** Counted before the transaction, which calls no network, and for members alone, so that strangers use nothing up. */
async function requireGroupLimit(call: Call, conversationId: ConversationId): Promise<void> {
  const { app, caller } = call;
  const isMember =
    app.rosters.hasMember(conversationId, caller.userId) ||
    (await findGroupOf(app.db, conversationId, caller.userId));
  if (!isMember) return;
  await requireWithinLimit(app.limits, "group_message", conversationId);
}

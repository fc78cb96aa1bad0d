import { userId as userIdSchema, type ConversationId, type Message, type UserId } from "@sotto/schema";
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
import { storeMessage, type Outgoing } from "./store-message.ts";

/** Sends to a user; the conversation is made if there is none. */
export function sendDirect(call: Call, input: Outgoing & { recipientUserId: string }): Promise<Message> {
  const { app, caller } = call;
  const peer = parseRecipient(call, input.recipientUserId);
  const users = [caller.userId, peer];
  return storeMessage(call, input, {
    recipientUserId: peer,
    find: async (tx) => {
      const conversation = await findOrCreateDirect(app, tx, { me: caller.userId, peer });
      requireNoBlock(conversation, caller.userId);
      return {
        conversationId: conversation.id,
        rosterVersion: conversation.roster_version,
        rosterSeq: conversation.roster_seq,
        audience: users,
        listUsers: async () => users,
      };
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
  const stored = await storeMessage(call, input, {
    recipientUserId: null,
    find: async (tx) => {
      const group = await findGroupOf(tx, conversationId, caller.userId);
      if (!group) throw new AppError("GROUP_NOT_FOUND");
      if (group.archived_at) throw new AppError("GROUP_ARCHIVED");
      return {
        conversationId,
        rosterVersion: group.roster_version,
        rosterSeq: group.roster_seq,
        audience: { conversationId, rosterSeq: group.roster_seq },
        listUsers: () => listRoster(tx, conversationId, group.roster_seq),
      };
    },
    findConversation: async () => conversationId,
  });
  return { detail: "ok" as const, messageIds: [stored.id] };
}

/** Counted before the transaction, which calls no network, and for members alone, so that strangers use nothing up. */
async function requireGroupLimit(call: Call, conversationId: ConversationId): Promise<void> {
  const { app, caller } = call;
  if (!(await findGroupOf(app.db, conversationId, caller.userId))) return;
  await requireWithinLimit(app.limits, "group_message", conversationId);
}

import {
  maxReactionsPerUser,
  type ConversationId,
  type MessageId,
  type Reaction,
  type ReactionId,
} from "@sotto/schema";
import type { Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { lockForMember, requireNoBlock } from "../conversations/conversations.service.ts";
import { appendConversationEntry } from "../logs/logs.service.ts";
import { requireVisibleMessage } from "../messages/visible-messages.service.ts";
import {
  deleteReaction,
  insertReaction,
  listOwnReactions,
  listReactions,
  type ReactionKey,
  type ReactionRow,
} from "./reactions.queries.ts";

export { deleteReactionsTo } from "./reactions.queries.ts";

/**
 * Puts an emoji on a message; again it is the same reaction, and no other entry. A block either way
 * and an archived group refuse it; taking it back is always allowed.
 */
export async function addReaction(
  call: Call,
  input: { messageId: MessageId; emoji: string },
): Promise<Reaction> {
  const { app } = call;
  return transact(call, async (tx, wakes) => {
    const { key, conversation } = await lockMessage(call, tx, input);
    if (conversation.archived_at) throw new AppError("GROUP_ARCHIVED");
    requireNoBlock(conversation, key.userId);
    const own = await listOwnReactions(tx, key);
    const known = own.find(({ emoji }) => emoji === input.emoji);
    if (known) return toReaction(known);
    if (own.length >= maxReactionsPerUser) throw new AppError("REACTION_LIMIT_REACHED");
    const createdAt = app.now();
    const event = { type: "reaction.added" as const, ...key };
    const seq = await appendConversationEntry(tx, wakes, { ...key, at: createdAt, event });
    const id = app.newId<ReactionId>();
    await insertReaction(tx, key, { id, seq, createdAt });
    return toReaction({ ...key, id, createdAt });
  });
}

export async function removeReaction(
  call: Call,
  input: { messageId: MessageId; emoji: string },
): Promise<{ detail: "ok" }> {
  return transact(call, async (tx, wakes) => {
    const { key } = await lockMessage(call, tx, input);
    if (await deleteReaction(tx, key)) {
      const event = { type: "reaction.removed" as const, ...key };
      await appendConversationEntry(tx, wakes, { ...key, at: call.app.now(), event });
    }
    return { detail: "ok" as const };
  });
}

export async function getReactions(
  call: Call,
  page: { messageId: MessageId; after?: ReactionId | null | undefined; limit: number },
): Promise<{ reactions: Reaction[] }> {
  const { db } = call.app;
  const { messageId, after = null, limit } = page;
  const { conversationId } = await requireVisibleMessage(db, call.caller.userId, messageId);
  const message = { conversationId, messageId, readerId: call.caller.userId };
  const rows = await listReactions(db, message, { after, limit });
  return { reactions: rows.map(toReaction) };
}

/**
 * Holds the message's conversation, so that two equal reactions, and a reaction and the message's
 * deletion, run in turn. Whoever is no member any more may look and not react.
 */
async function lockMessage(
  call: Call,
  tx: Tx,
  { messageId, emoji }: { messageId: MessageId; emoji: string },
) {
  const { userId } = call.caller;
  const { conversationId } = await requireVisibleMessage(tx, userId, messageId);
  const conversation = await lockForMember(tx, conversationId, userId);
  if (!conversation) throw new AppError("MESSAGE_NOT_FOUND");
  // It may have been deleted while this waited for the lock.
  await requireVisibleMessage(tx, userId, messageId);
  const key: ReactionKey = { conversationId, messageId, userId, emoji };
  return { key, conversation };
}

function toReaction({ createdAt, ...row }: ReactionRow & { conversationId?: ConversationId }): Reaction {
  const { id, messageId, userId, emoji } = row;
  return { id, messageId, userId, emoji, createdAt: createdAt.toISOString() };
}

import type { ConversationId, MessageId, ReactionId, UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";

/** One user's emoji on one message. */
export interface ReactionKey {
  conversationId: ConversationId;
  messageId: MessageId;
  userId: UserId;
  emoji: string;
}

export interface ReactionRow {
  id: ReactionId;
  messageId: MessageId;
  userId: UserId;
  emoji: string;
  createdAt: Date;
}

const columns = sql`r.id, r.message_id as "messageId", r.user_id as "userId", r.emoji, r.created_at as "createdAt"`;

/** What one user has put on a message. */
export async function listOwnReactions(tx: Tx, key: Omit<ReactionKey, "emoji">): Promise<ReactionRow[]> {
  const { rows } = await sql<ReactionRow>`
    select ${columns} from reactions r
    where r.conversation_id = ${key.conversationId} and r.message_id = ${key.messageId}
      and r.user_id = ${key.userId}
  `.execute(tx);
  return rows;
}

export function insertReaction(
  tx: Tx,
  key: ReactionKey,
  reaction: { id: ReactionId; seq: number; createdAt: Date },
) {
  return tx
    .insertInto("reactions")
    .values({
      conversation_id: key.conversationId,
      message_id: key.messageId,
      user_id: key.userId,
      emoji: key.emoji,
      id: reaction.id,
      seq: reaction.seq,
      created_at: reaction.createdAt,
    })
    .execute();
}

/** False when there was none. */
export async function deleteReaction(tx: Tx, key: ReactionKey): Promise<boolean> {
  const deleted = await tx
    .deleteFrom("reactions")
    .where("conversation_id", "=", key.conversationId)
    .where("message_id", "=", key.messageId)
    .where("user_id", "=", key.userId)
    .where("emoji", "=", key.emoji)
    .returning("id")
    .executeTakeFirst();
  return deleted !== undefined;
}

export function deleteReactionsTo(tx: Tx, message: { conversationId: ConversationId; messageId: MessageId }) {
  return tx
    .deleteFrom("reactions")
    .where("conversation_id", "=", message.conversationId)
    .where("message_id", "=", message.messageId)
    .execute();
}

/** The reactions to a message that came while the reader was a member, the oldest first. */
export async function listReactions(
  db: Db | Tx,
  message: { conversationId: ConversationId; messageId: MessageId; readerId: UserId },
  page: { after: ReactionId | null; limit: number },
): Promise<ReactionRow[]> {
  const ofMessage = sql`r.conversation_id = ${message.conversationId} and r.message_id = ${message.messageId}`;
  const { rows } = await sql<ReactionRow>`
    select ${columns} from reactions r
    where ${ofMessage}
      and exists (
        select from conversation_members v
        where v.conversation_id = r.conversation_id and v.user_id = ${message.readerId}
          and r.seq > v.from_seq and (v.to_seq is null or r.seq <= v.to_seq)
      )
      and (${page.after}::uuid is null
        or r.seq > (select r.seq from reactions r where ${ofMessage} and r.id = ${page.after}))
    order by r.seq limit ${page.limit}
  `.execute(db);
  return rows;
}

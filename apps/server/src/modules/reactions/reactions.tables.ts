import type { ConversationId, MessageId, ReactionId, UserId } from "@sotto/schema";

interface ReactionTable {
  conversation_id: ConversationId;
  message_id: MessageId;
  user_id: UserId;
  emoji: string;
  id: ReactionId;
  /** The number of its entry in the conversation's log. */
  seq: number;
  created_at: Date;
}

export interface ReactionTables {
  reactions: ReactionTable;
}

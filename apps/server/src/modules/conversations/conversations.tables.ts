import type { ConversationId, GroupRole, UserId } from "@sotto/schema";
import type { Generated } from "kysely";
import type { BlobId } from "../blobs/blobs.tables.ts";

interface ConversationTable {
  id: ConversationId;
  is_group: boolean;
  name: string | null;
  user_a: UserId;
  user_b: UserId;
  created_at: Date;
  /** The number of the log's last entry: raised under this row's lock, in the transaction of the entry. */
  last_seq: Generated<number>;
  last_message_at: Date | null;
  /** When the log last grew, by whatever entry. */
  last_entry_at: Date | null;
  /** A group that takes no more messages. */
  archived_at: Date | null;
  /** The number of the last entry that changed the members. */
  roster_seq: Generated<number>;
  roster_version: Generated<number>;
  /** Whether user_a has blocked user_b: set in the transaction of the block, under this row's lock. */
  blocked_by_a: Generated<boolean>;
  blocked_by_b: Generated<boolean>;
  /** A group's avatar: at most one of the two. */
  avatar_url: Generated<string | null>;
  avatar_blob_id: Generated<BlobId | null>;
  /** The uploaded image's own media type. */
  avatar_type: Generated<string | null>;
}

interface ConversationMemberTable {
  conversation_id: ConversationId;
  user_id: UserId;
  /** The member sees entries with from_seq < seq ≤ to_seq. */
  from_seq: number;
  to_seq: number | null;
  joined_at: Date;
  role: Generated<GroupRole>;
}

export interface ConversationTables {
  conversations: ConversationTable;
  conversation_members: ConversationMemberTable;
}

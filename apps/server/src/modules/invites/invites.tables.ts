import type { ConversationId, UserId } from "@sotto/schema";
import type { Generated } from "kysely";

interface GroupInviteTable {
  conversation_id: ConversationId;
  code: string;
  created_by: UserId;
  created_at: Date;
  /** null: it does not expire. */
  expires_at: Date | null;
  /** 0: no limit. */
  max_uses: number;
  uses: Generated<number>;
}

export interface InviteTables {
  group_invites: GroupInviteTable;
}

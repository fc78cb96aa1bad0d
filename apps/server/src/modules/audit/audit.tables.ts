import type { AuditAction, ConversationId, MessageId, UserId } from "@sotto/schema";

interface AuditRowTable {
  conversation_id: ConversationId;
  /** UUIDv7: in the order of time, to the millisecond. */
  id: string;
  action: AuditAction;
  actor_user_id: UserId;
  target_user_id: UserId | null;
  message_id: MessageId | null;
  created_at: Date;
}

export interface AuditTables {
  audit_rows: AuditRowTable;
}

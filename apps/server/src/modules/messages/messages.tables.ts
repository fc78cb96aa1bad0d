import type { ConversationId, DeviceId, MessageId, UserId } from "@sotto/schema";
import type { JSONColumnType } from "kysely";

interface MessageTable {
  conversation_id: ConversationId;
  seq: number;
  id: MessageId;
  sender_user_id: UserId;
  sender_device_id: DeviceId;
  dedupe_key: string | null;
  sent_at: Date;
  ciphertext: string;
  wraps: JSONColumnType<Record<string, string>> | null;
  /** The row then holds neither ciphertext nor wraps. */
  deleted_at: Date | null;
  deleted_by: UserId | null;
}

export interface MessageTables {
  messages: MessageTable;
}

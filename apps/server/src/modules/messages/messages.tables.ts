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
}

export interface MessageTables {
  messages: MessageTable;
}

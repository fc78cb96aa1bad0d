import type { ConversationId, DeviceId, MessageId, UserId } from "@sotto/schema";

interface ImportedMessageTable {
  /** The importer, who alone sees it. */
  user_id: UserId;
  conversation_id: ConversationId;
  sent_at: Date;
  id: MessageId;
  /** What makes an item the same when it is imported again. */
  item_key: string;
  sender_user_id: UserId;
  sender_device_id: DeviceId;
  ciphertext: string;
  wrap: string | null;
}

interface ImportTotalTable {
  user_id: UserId;
  /** How many messages the user has imported; its row serialises the user's imports. */
  messages: number;
}

export interface ArchiveTables {
  imported_messages: ImportedMessageTable;
  import_totals: ImportTotalTable;
}

import type { AttachmentId, ConversationId, MessageId } from "@sotto/schema";
import type { BlobId } from "../blobs/blobs.tables.ts";

interface AttachmentTable {
  conversation_id: ConversationId;
  message_seq: number;
  id: AttachmentId;
  message_id: MessageId;
  /** The number of its own entry. */
  seq: number;
  blob_id: BlobId;
  is_inline: boolean;
  content_type: string | null;
  filename: string | null;
  size_bytes: number;
  created_at: Date;
}

export interface AttachmentTables {
  attachments: AttachmentTable;
}

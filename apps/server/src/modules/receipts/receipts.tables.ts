import type { ConversationId, DeviceId, UserId } from "@sotto/schema";

export type MarkKind = "delivered" | "read";

/** The device of a mark; empty for a token that published no device. */
export type MarkDevice = DeviceId | "";

interface MarkTable {
  conversation_id: ConversationId;
  user_id: UserId;
  kind: MarkKind;
  through_seq: number;
  device_id: MarkDevice;
  at: Date;
}

interface SingleMarkTable {
  conversation_id: ConversationId;
  user_id: UserId;
  kind: MarkKind;
  seq: number;
  device_id: MarkDevice;
  at: Date;
}

export interface ReceiptTables {
  marks: MarkTable;
  single_marks: SingleMarkTable;
}

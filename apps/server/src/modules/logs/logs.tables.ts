import type { AccountEvent, ConversationEvent, ConversationId, DeviceId, LogId, UserId } from "@sotto/schema";
import type { Generated, JSONColumnType } from "kysely";

interface AccountLogTable {
  user_id: UserId;
  last_seq: Generated<number>;
  /** Entries up to this number were pruned. */
  pruned_seq: Generated<number>;
}

interface AccountEntryTable {
  user_id: UserId;
  seq: number;
  at: Date;
  event: JSONColumnType<AccountEvent>;
}

/** What a conversation's log holds beside its messages. */
interface ConversationEntryTable {
  conversation_id: ConversationId;
  seq: number;
  at: Date;
  event: JSONColumnType<ConversationEvent>;
}

interface PositionTable {
  user_id: UserId;
  device_id: DeviceId;
  log_id: LogId;
  seq: number;
}

export interface LogTables {
  account_logs: AccountLogTable;
  account_entries: AccountEntryTable;
  conversation_entries: ConversationEntryTable;
  positions: PositionTable;
}

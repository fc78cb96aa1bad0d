import type { UserId } from "@sotto/schema";
import type { JSONColumnType } from "kysely";

interface IdempotencyKeyTable {
  user_id: UserId;
  key: string;
  request_hash: Buffer;
  response: JSONColumnType<object> | null;
  created_at: Date;
}

export interface IdempotencyTables {
  idempotency_keys: IdempotencyKeyTable;
}

import type { UserId } from "@sotto/schema";

interface BlockTable {
  /** Who blocks. */
  user_id: UserId;
  blocked_user_id: UserId;
  created_at: Date;
}

export interface BlockTables {
  blocks: BlockTable;
}

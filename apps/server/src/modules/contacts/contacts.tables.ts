import type { UserId } from "@sotto/schema";

interface ContactTable {
  /** Whose contact it is. */
  user_id: UserId;
  contact_user_id: UserId;
  created_at: Date;
}

interface ContactLookupTable {
  user_id: UserId;
  /** A keyed hash of the number that was asked for, whether or not somebody has it. */
  number_hash: Buffer;
  asked_at: Date;
}

export interface ContactTables {
  contacts: ContactTable;
  contact_lookups: ContactLookupTable;
}

import type { UserId } from "@sotto/schema";
import type { Generated } from "kysely";

export type BlobId = string & { readonly blob: unique symbol };
export type StoreName = "postgres" | "s3";

interface BlobTable {
  id: BlobId;
  /** Whose quota it counts for. */
  user_id: UserId;
  store: StoreName;
  size_bytes: Generated<number>;
  sha256: Buffer | null;
  created_at: Date;
  collect_at: Date | null;
  doomed_at: Date | null;
}

interface BlobChunkTable {
  blob_id: BlobId;
  position: number;
  bytes: Buffer;
}

interface BlobUsageTable {
  user_id: UserId;
  size_bytes: number;
}

export interface BlobTables {
  blobs: BlobTable;
  blob_chunks: BlobChunkTable;
  blob_usage: BlobUsageTable;
}

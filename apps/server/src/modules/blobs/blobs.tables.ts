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

/** Of a blob that comes in several requests, until it is whole. */
interface BlobUploadTable {
  blob_id: BlobId;
  /** So many bytes are stored. */
  offset_bytes: Generated<number>;
  /** What the whole is to have. */
  announced_sha256: Buffer | null;
  /** The SHA-256 of the bytes so far, as it can be gone on with; null at the start. */
  hash_state: Buffer | null;
  /** The store's own name for it. */
  store_upload: string | null;
  /** What the store said of each piece. */
  store_tags: Generated<string[]>;
}

interface BlobUsageTable {
  user_id: UserId;
  size_bytes: number;
}

export interface BlobTables {
  blobs: BlobTable;
  blob_chunks: BlobChunkTable;
  blob_uploads: BlobUploadTable;
  blob_usage: BlobUsageTable;
}

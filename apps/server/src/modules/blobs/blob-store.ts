import type { Config } from "../../config.ts";
import type { Db } from "../../db/db.ts";
import type { ByteRange } from "../../pipeline/call.ts";
import type { BlobId, StoreName } from "./blobs.tables.ts";
import { createPostgresBlobStore } from "./postgres-blob-store.ts";

/** Where a blob's bytes are. Rows, quotas and references are `blobs.service.ts`'s. */
export interface BlobStore {
  /** Writes chunks of `chunkBytes`, of which the last may be shorter, as they come. After a failure `delete` cleans up. */
  write: (id: BlobId, chunks: AsyncIterable<Buffer>) => Promise<void>;
  /** Reads only what the range needs. */
  read: (id: BlobId, range: ByteRange, signal?: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Does nothing for bytes that are not there. `isWhole`: false after a write that did not end. */
  delete: (id: BlobId, options: { isWhole: boolean }) => Promise<void>;
  /** Writes that go on in a later request, perhaps of another process. */
  resumable: ResumableWrites;
}

export interface ResumableWrites {
  /** The size of every piece but the last. */
  pieceBytes: number;
  /** Gives the store's own name for the upload, where it has one. */
  begin: (id: BlobId) => Promise<string | null>;
  /** Writes a piece, also once more. Gives what `finish` needs of it; undefined when the upload has gone past it. */
  write: (piece: Piece) => Promise<string | undefined>;
  /** Joins the pieces; does nothing when that was done. */
  finish: (id: BlobId, storeUpload: string | null, tags: readonly string[]) => Promise<void>;
}

export interface Piece {
  id: BlobId;
  storeUpload: string | null;
  position: number;
  offset: number;
  bytes: Buffer;
}

export interface BlobStores {
  /** Where new blobs go. */
  current: StoreName;
  /** Throws for a store that older blobs are in and that is no longer configured. */
  get: (name: StoreName) => BlobStore;
}

export async function openBlobStores(config: Config, db: Db): Promise<BlobStores> {
  const stores: Partial<Record<StoreName, BlobStore>> = { postgres: createPostgresBlobStore(db) };
  const { S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = config;
  if (S3_ENDPOINT && S3_BUCKET && S3_ACCESS_KEY_ID && S3_SECRET_ACCESS_KEY) {
    const { createS3BlobStore } = await import("./s3-blob-store.ts");
    stores.s3 = createS3BlobStore({
      endpoint: S3_ENDPOINT,
      region: config.S3_REGION,
      bucket: S3_BUCKET,
      prefix: config.S3_PREFIX,
      accessKeyId: S3_ACCESS_KEY_ID,
      secretAccessKey: S3_SECRET_ACCESS_KEY,
    });
  }
  return {
    current: config.BLOB_STORE,
    get: (name) => {
      const store = stores[name];
      if (!store) throw new Error(`The blob store ${name} is not configured`);
      return store;
    },
  };
}

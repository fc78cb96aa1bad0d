import { createHash } from "node:crypto";
import type { UserId } from "@sotto/schema";
import type { App } from "../../app.ts";
import type { Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { ByteRange } from "../../pipeline/call.ts";
import {
  completeBlob,
  deleteDoomed,
  doomBlobs,
  findUsedBytes,
  findWholeBlob,
  growBlob,
  insertBlob,
  markReferenced,
  markReleased,
  type DoomedBlob,
} from "./blobs.queries.ts";
import type { BlobId } from "./blobs.tables.ts";
import { chunkBytes, inPieces } from "./chunks.ts";

/** How long a blob may wait for its next chunk or its reference before it is collected. */
const leaseMs = 3_600_000;
/** How long whoever doomed a blob has for deleting it. */
const deletionMs = 600_000;
/** Whoever found a blob's id before it was given up has this long to begin reading it. */
const graceMs = 60_000;
const collectBatch = 20;

export interface Upload {
  /** Whose quota it counts for. */
  userId: UserId;
  body: AsyncIterable<Uint8Array>;
  announcedBytes?: number | undefined;
  /** Below `MAX_BLOB_BYTES`, where the use has a limit of its own. */
  maxBytes?: number;
}

export interface StoredBlob {
  id: BlobId;
  sizeBytes: number;
  sha256: Buffer;
}

/**
 * Stores the bytes as they arrive. The blob is collected after a while unless `referenceBlob` takes it
 * in the transaction that stores its id. Throws `PAYLOAD_TOO_LARGE` or `STORAGE_QUOTA_EXCEEDED`,
 * and then, as after any failure, leaves nothing behind.
 */
export async function storeBlob(app: App, upload: Upload): Promise<StoredBlob> {
  const { userId, announcedBytes = 0 } = upload;
  const { MAX_BLOB_BYTES, MAX_USER_BLOB_BYTES } = app.config;
  const maxBytes = Math.min(upload.maxBytes ?? MAX_BLOB_BYTES, MAX_BLOB_BYTES);
  if (announcedBytes > maxBytes) throw new AppError("PAYLOAD_TOO_LARGE");
  if ((await findUsedBytes(app.db, userId)) + announcedBytes > MAX_USER_BLOB_BYTES) {
    throw new AppError("STORAGE_QUOTA_EXCEEDED");
  }
  const id = app.newId<BlobId>();
  const store = app.blobs.current;
  const at = app.now();
  const blob = { id, userId, store, at, collectAt: leaseFrom(at) };
  const isNew = await app.db.transaction().execute((tx) => insertBlob(tx, blob));
  if (!isNew) throw new Error("A new id is taken");
  try {
    return await writeBlob(app, { id, userId, body: upload.body, maxBytes });
  } catch (error) {
    await dropBlob(app, id);
    throw error;
  }
}

async function writeBlob(
  app: App,
  blob: { id: BlobId; userId: UserId; body: AsyncIterable<Uint8Array>; maxBytes: number },
): Promise<StoredBlob> {
  const { id, userId, body, maxBytes } = blob;
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const counted = async function* (): AsyncGenerator<Buffer, void> {
    for await (const chunk of inPieces(limit(body, maxBytes), chunkBytes)) {
      const collectAt = leaseFrom(app.now());
      const maxUserBytes = app.config.MAX_USER_BLOB_BYTES;
      if (!(await growBlob(app.db, { id, userId, bytes: chunk.length, maxUserBytes, collectAt }))) {
        throw new AppError("STORAGE_QUOTA_EXCEEDED");
      }
      sizeBytes += chunk.length;
      hash.update(chunk);
      yield chunk;
    }
  };
  await app.blobs.get(app.blobs.current).write(id, counted());
  const sha256 = hash.digest();
  if (!(await completeBlob(app.db, id, sha256))) throw new AppError("UNAVAILABLE");
  return { id, sizeBytes, sha256 };
}

async function* limit(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array, void> {
  let leftBytes = maxBytes;
  for await (const bytes of body) {
    leftBytes -= bytes.length;
    if (leftBytes < 0) throw new AppError("PAYLOAD_TOO_LARGE");
    yield bytes;
  }
}

/** Keeps a blob, in the transaction that stores its id somewhere. A blob has one reference. */
export async function referenceBlob(tx: Tx, id: BlobId): Promise<void> {
  if (!(await markReferenced(tx, id))) throw new AppError("UNAVAILABLE");
}

/** Gives blobs up, in the transaction that removes their ids; they are collected a minute later. */
export async function releaseBlobs(app: App, tx: Tx, ids: BlobId[]): Promise<void> {
  if (ids.length > 0) await markReleased(tx, ids, new Date(app.now().getTime() + graceMs));
}

/** Deletes a blob at once, unless it has a reference. A failure is left to the collection. */
export async function dropBlob(app: App, id: BlobId): Promise<void> {
  const doomed = await doom(app, { only: id, limit: 1 }).catch(() => []);
  await deleteAll(app, doomed);
}

/** A blob's size and bytes, as a download answers them. */
export async function openBlob(app: App, id: BlobId) {
  const blob = await findWholeBlob(app.db, id);
  if (!blob) throw new Error("A blob that is referenced is not there");
  const { size_bytes: sizeBytes, store } = blob;
  const open = (range: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> =>
    sizeBytes === 0 ? nothing() : app.blobs.get(store).read(id, range, signal);
  return { sizeBytes, etag: `"${id}"`, open };
}

/** The whole of a blob that is known to be small. */
export async function readBlob(app: App, id: BlobId): Promise<Buffer> {
  const { sizeBytes, open } = await openBlob(app, id);
  const parts: Uint8Array[] = [];
  for await (const bytes of open({ start: 0, end: sizeBytes - 1 })) parts.push(bytes);
  return Buffer.concat(parts);
}

/** Deletes blobs that nothing refers to: given up, or never taken. Gives how many. */
export async function collectBlobs(app: App, limitBlobs: number): Promise<number> {
  let collected = 0;
  while (collected < limitBlobs) {
    const doomed = await doom(app, { limit: Math.min(collectBatch, limitBlobs - collected) });
    if (doomed.length === 0) break;
    await deleteAll(app, doomed);
    collected += doomed.length;
  }
  return collected;
}

function doom(app: App, options: { limit: number; only?: BlobId }): Promise<DoomedBlob[]> {
  const at = app.now();
  return doomBlobs(app.db, { ...options, at, retryAt: new Date(at.getTime() + deletionMs) });
}

/** The row goes last, so that what fails or crashes before is found again. */
async function deleteAll(app: App, doomed: DoomedBlob[]): Promise<void> {
  for (const { id, store, isWhole } of doomed) {
    try {
      await app.blobs.get(store).delete(id, { isWhole });
      await deleteDoomed(app.db, id);
    } catch (error) {
      app.log.warn({ err: error }, "a blob is left to the next collection");
    }
  }
}

function leaseFrom(at: Date): Date {
  return new Date(at.getTime() + leaseMs);
}

async function* nothing(): AsyncGenerator<Uint8Array, void> {}

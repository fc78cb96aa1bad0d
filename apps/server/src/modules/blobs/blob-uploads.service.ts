import type { UserId } from "@sotto/schema";
import type { IHasher } from "hash-wasm";
import type { App } from "../../app.ts";
import type { Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { UploadBody } from "../../pipeline/call.ts";
import {
  advanceUpload,
  completeUpload,
  findBlobUpload,
  insertBlobUpload,
  setStoreUpload,
  type BlobUploadRow,
} from "./blob-uploads.queries.ts";
import { growBlob, insertBlob } from "./blobs.queries.ts";
import { dropBlob } from "./blobs.service.ts";
import type { BlobId } from "./blobs.tables.ts";
import { inPieces } from "./chunks.ts";

/** How long an upload may wait for its next bytes, and then for its message. */
const uploadLeaseMs = 86_400_000;

export interface BlobUpload {
  id: BlobId;
  sizeBytes: number;
  /** So many bytes are stored. */
  offset: number;
  isWhole: boolean;
  pieceBytes: number;
  /** Null: it has its reference. */
  collectAt: Date | null;
}

interface Owned {
  id: BlobId;
  userId: UserId;
}

/**
 * Begins an upload, or gives the one that is there under the id. All of its bytes count for the user at once.
 * Throws `PAYLOAD_TOO_LARGE`, `STORAGE_QUOTA_EXCEEDED`, `UPLOAD_IN_USE`.
 */
export async function beginUpload(
  app: App,
  tx: Tx,
  upload: Owned & { sizeBytes: number; sha256: Buffer | null },
): Promise<BlobUpload> {
  const { id, userId, sizeBytes: bytes, sha256 } = upload;
  const { MAX_BLOB_BYTES, MAX_USER_BLOB_BYTES: maxUserBytes } = app.config;
  if (bytes > MAX_BLOB_BYTES) throw new AppError("PAYLOAD_TOO_LARGE");
  const at = app.now();
  const collectAt = leaseFrom(at);
  if (await insertBlob(tx, { id, userId, store: app.blobs.current, at, collectAt })) {
    if (!(await growBlob(tx, { id, userId, bytes, maxUserBytes, collectAt }))) {
      throw new AppError("STORAGE_QUOTA_EXCEEDED");
    }
    await insertBlobUpload(tx, { id, announcedSha256: sha256 });
  }
  const found = await findBlobUpload(tx, upload);
  if (found?.sizeBytes !== bytes) throw new AppError("UPLOAD_IN_USE");
  return toUpload(app, found);
}

export async function getUpload(app: App, upload: Owned): Promise<BlobUpload> {
  return toUpload(app, await requireRow(app, upload));
}

/** An upload that is whole and has no reference yet. Throws `UPLOAD_NOT_FOUND`, `UPLOAD_INCOMPLETE`, `UPLOAD_IN_USE`. */
export async function requireUploaded(app: App, tx: Tx, upload: Owned): Promise<BlobUpload> {
  const row = await findBlobUpload(tx, upload);
  if (!row) throw new AppError("UPLOAD_NOT_FOUND");
  if (!row.isWhole) throw new AppError("UPLOAD_INCOMPLETE", { offset: row.offset ?? 0 });
  if (!row.collectAt) throw new AppError("UPLOAD_IN_USE");
  return toUpload(app, row);
}

/**
 * Stores what follows the offset, piece by piece: of a body that breaks off, or ends within a piece, all whole
 * pieces are kept. Of requests at the same time one goes on. The last byte makes the blob whole.
 * Throws `UPLOAD_OFFSET_MISMATCH`, `UPLOAD_DIGEST_MISMATCH`, `PAYLOAD_TOO_LARGE`, `UPLOAD_NOT_FOUND`.
 */
export async function appendToUpload(
  app: App,
  upload: Owned & { offset: number; body: UploadBody },
): Promise<BlobUpload> {
  const { offset, body } = upload;
  const row = await requireRow(app, upload);
  if (offset !== toUpload(app, row).offset) throw mismatch(row);
  if ((body.announcedBytes ?? 0) > row.sizeBytes - offset) throw new AppError("PAYLOAD_TOO_LARGE");
  if (!row.isWhole) await appendPieces(app, { row, offset, body, userId: upload.userId });
  return getUpload(app, upload);
}

/** Gives an upload up; one that has its reference stays. */
export async function cancelUpload(app: App, upload: Owned): Promise<void> {
  const row = await findBlobUpload(app.db, upload);
  if (row?.collectAt) await dropBlob(app, row.id);
}

interface Appending {
  row: BlobUploadRow;
  userId: UserId;
  offset: number;
  body: AsyncIterable<Uint8Array>;
}

async function appendPieces(app: App, { row, userId, offset, body }: Appending): Promise<void> {
  const { id, sizeBytes } = row;
  const store = app.blobs.get(row.store).resumable;
  const storeUpload = row.storeUpload ?? (await beginInStore(app, { id, userId, row }));
  const hasher = await openHasher(app, row);
  let at = offset;
  for await (const bytes of inPieces(within(body, sizeBytes - offset), store.pieceBytes)) {
    // The rest of a piece comes again, unless it ends the blob.
    if (bytes.length < store.pieceBytes && at + bytes.length < sizeBytes) break;
    const tag = await store.write({ id, storeUpload, position: at / store.pieceBytes, offset: at, bytes });
    hasher.update(bytes);
    const advance = { id, from: at, to: at + bytes.length, hashState: Buffer.from(hasher.save()) };
    const isCounted =
      tag !== undefined &&
      (await advanceUpload(app.db, { ...advance, tag, collectAt: leaseFrom(app.now()) }));
    if (!isCounted) throw mismatch(await requireRow(app, { id, userId }));
    at += bytes.length;
  }
  if (at === sizeBytes) await finish(app, { id, userId, sha256: Buffer.from(hasher.digest("binary")) });
}

async function finish(app: App, { id, userId, sha256 }: Owned & { sha256: Buffer }): Promise<void> {
  const row = await requireRow(app, { id, userId });
  if (row.isWhole) return;
  if (row.announcedSha256 && !row.announcedSha256.equals(sha256)) {
    await dropBlob(app, id);
    throw new AppError("UPLOAD_DIGEST_MISMATCH");
  }
  await app.blobs.get(row.store).resumable.finish(id, row.storeUpload, row.storeTags ?? []);
  await completeUpload(app.db, id, sha256);
}

async function beginInStore(app: App, given: Owned & { row: BlobUploadRow }): Promise<string | null> {
  const { id, row } = given;
  const begun = await app.blobs.get(row.store).resumable.begin(id);
  if (begun === null || (await setStoreUpload(app.db, id, begun))) return begun;
  // Another request began it too; what this one began goes with the blob.
  return (await requireRow(app, given)).storeUpload;
}

/** Throws `UPLOAD_NOT_FOUND` for a state of another version of the hash: the upload begins anew. */
async function openHasher(app: App, { id, hashState }: BlobUploadRow): Promise<IHasher> {
  const { createSHA256 } = await import("hash-wasm");
  const hasher = await createSHA256();
  if (!hashState) return hasher.init();
  try {
    return hasher.load(hashState);
  } catch (error) {
    app.log.warn({ err: error }, "an upload begins anew");
    await dropBlob(app, id);
    throw new AppError("UPLOAD_NOT_FOUND");
  }
}

async function* within(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array, void> {
  let leftBytes = maxBytes;
  for await (const bytes of body) {
    leftBytes -= bytes.length;
    if (leftBytes < 0) throw new AppError("PAYLOAD_TOO_LARGE");
    yield bytes;
  }
}

async function requireRow(app: App, upload: Owned): Promise<BlobUploadRow> {
  const row = await findBlobUpload(app.db, upload);
  if (!row) throw new AppError("UPLOAD_NOT_FOUND");
  return row;
}

function toUpload(app: App, row: BlobUploadRow): BlobUpload {
  const { id, sizeBytes, isWhole, collectAt } = row;
  const { pieceBytes } = app.blobs.get(row.store).resumable;
  return { id, sizeBytes, isWhole, collectAt, pieceBytes, offset: isWhole ? sizeBytes : (row.offset ?? 0) };
}

function mismatch(row: BlobUploadRow): AppError {
  return new AppError("UPLOAD_OFFSET_MISMATCH", { offset: row.isWhole ? row.sizeBytes : (row.offset ?? 0) });
}

function leaseFrom(at: Date): Date {
  return new Date(at.getTime() + uploadLeaseMs);
}

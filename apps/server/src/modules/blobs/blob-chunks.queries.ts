import { sql } from "kysely";
import type { Db } from "../../db/db.ts";
import type { BlobId } from "./blobs.tables.ts";

/** False when the blob is doomed: its row is held, so that nothing is written after its chunks were deleted. */
export async function insertChunk(
  db: Db,
  chunk: { blobId: BlobId; position: number; bytes: Buffer },
): Promise<boolean> {
  const { rows } = await sql`
    with held as (
      select id from blobs where id = ${chunk.blobId} and doomed_at is null for share
    )
    insert into blob_chunks (blob_id, position, bytes)
    select id, ${chunk.position}::integer, ${chunk.bytes}::bytea from held
    returning position
  `.execute(db);
  return rows.length > 0;
}

/**
 * Writes a chunk of an upload that stands before it, over what an earlier try left there. False when the
 * upload has gone past it, or the blob is doomed: both rows are held meanwhile.
 */
export async function writeUploadChunk(
  db: Db,
  chunk: { blobId: BlobId; position: number; offset: number; bytes: Buffer },
): Promise<boolean> {
  const { rows } = await sql`
    with held as (
      select id from blobs where id = ${chunk.blobId} and doomed_at is null for share
    ), before as (
      select u.blob_id from blob_uploads u join held on held.id = u.blob_id
      where u.offset_bytes = ${chunk.offset}::bigint for update of u
    )
    insert into blob_chunks (blob_id, position, bytes)
    select blob_id, ${chunk.position}::integer, ${chunk.bytes}::bytea from before
    on conflict (blob_id, position) do update set bytes = excluded.bytes
    returning position
  `.execute(db);
  return rows.length > 0;
}

export async function findChunk(db: Db, blobId: BlobId, position: number): Promise<Buffer | undefined> {
  const found = await db
    .selectFrom("blob_chunks")
    .select("bytes")
    .where("blob_id", "=", blobId)
    .where("position", "=", position)
    .executeTakeFirst();
  return found?.bytes;
}

/** Deletes some chunks; gives how many. */
export async function deleteChunks(db: Db, blobId: BlobId, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from blob_chunks where blob_id = ${blobId} and position in (
      select position from blob_chunks where blob_id = ${blobId} order by position limit ${limit}
    )
  `.execute(db);
  return Number(numAffectedRows ?? 0n);
}

import type { UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";
import type { BlobId, StoreName } from "./blobs.tables.ts";

export interface BlobUploadRow {
  id: BlobId;
  store: StoreName;
  sizeBytes: number;
  isWhole: boolean;
  /** Null: referenced. */
  collectAt: Date | null;
  /** The rest is of one that is not whole. */
  offset: number | null;
  announcedSha256: Buffer | null;
  hashState: Buffer | null;
  storeUpload: string | null;
  storeTags: string[] | null;
}

/** A blob of this user's, whole or not, with what is known of its upload. */
export async function findBlobUpload(
  db: Db | Tx,
  blob: { id: BlobId; userId: UserId },
): Promise<BlobUploadRow | undefined> {
  const { rows } = await sql<BlobUploadRow>`
    select b.id, b.store, b.size_bytes as "sizeBytes", b.sha256 is not null as "isWhole",
      b.collect_at as "collectAt", u.offset_bytes as "offset", u.announced_sha256 as "announcedSha256",
      u.hash_state as "hashState", u.store_upload as "storeUpload", u.store_tags as "storeTags"
    from blobs b left join blob_uploads u on u.blob_id = b.id
    where b.id = ${blob.id} and b.user_id = ${blob.userId} and b.doomed_at is null
      and (b.sha256 is not null or u.blob_id is not null)
  `.execute(db);
  return rows[0];
}

export function insertBlobUpload(tx: Tx, upload: { id: BlobId; announcedSha256: Buffer | null }) {
  return tx
    .insertInto("blob_uploads")
    .values({
      blob_id: upload.id,
      announced_sha256: upload.announcedSha256,
      hash_state: null,
      store_upload: null,
    })
    .execute();
}

/** Keeps the store's own name of an upload; false when there is one already. */
export async function setStoreUpload(db: Db, id: BlobId, storeUpload: string): Promise<boolean> {
  const set = await db
    .updateTable("blob_uploads")
    .set({ store_upload: storeUpload })
    .where("blob_id", "=", id)
    .where("store_upload", "is", null)
    .returning("blob_id")
    .executeTakeFirst();
  return set !== undefined;
}

export interface Advance {
  id: BlobId;
  /** Where the upload must be, and where it then is. */
  from: number;
  to: number;
  hashState: Buffer;
  /** Empty where the store needs none. */
  tag: string;
  collectAt: Date;
}

/** Counts a piece that is stored. False when another request was faster, or the blob is doomed. */
export async function advanceUpload(db: Db, advance: Advance): Promise<boolean> {
  const { id, from, to, hashState, tag, collectAt } = advance;
  const tags = tag === "" ? [] : [tag];
  const { rows } = await sql`
    with held as (
      select id from blobs where id = ${id} and doomed_at is null for update
    ), advanced as (
      update blob_uploads u
      set offset_bytes = ${to}::bigint, hash_state = ${hashState}::bytea,
        store_tags = u.store_tags || ${tags}::text[]
      from held where u.blob_id = held.id and u.offset_bytes = ${from}::bigint
      returning u.blob_id
    )
    update blobs b set collect_at = ${collectAt} from advanced where b.id = advanced.blob_id returning b.id
  `.execute(db);
  return rows.length > 0;
}

/** Makes an upload a whole blob. False when that was done already, or the blob is doomed. */
export async function completeUpload(db: Db, id: BlobId, sha256: Buffer): Promise<boolean> {
  const { rows } = await sql`
    with completed as (
      update blobs set sha256 = ${sha256}::bytea
      where id = ${id} and sha256 is null and doomed_at is null returning id
    )
    delete from blob_uploads u using completed where u.blob_id = completed.id returning u.blob_id
  `.execute(db);
  return rows.length > 0;
}

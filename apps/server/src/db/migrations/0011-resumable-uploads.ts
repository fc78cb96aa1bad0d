import { sql, type Kysely } from "kysely";

/**
 * Blobs that come in several requests. The code before it still runs on it: it collects their blobs, and
 * leaves their rows here.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table blob_uploads (
      blob_id uuid primary key,
      offset_bytes bigint not null default 0 check (offset_bytes >= 0),
      announced_sha256 bytea,
      hash_state bytea,
      store_upload text,
      store_tags text[] not null default '{}'
    );

    comment on table blob_uploads is 'of a blob that comes in several requests, until it is whole';
    comment on column blob_uploads.offset_bytes is 'so many bytes are stored; blobs.size_bytes is all that will come';
    comment on column blob_uploads.hash_state is 'SHA-256 of the bytes so far, as it can be gone on with';
    comment on column blob_uploads.store_tags is 'what the store said of each piece';
  `.execute(db);
}

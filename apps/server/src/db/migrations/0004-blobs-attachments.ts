import { sql, type Kysely } from "kysely";

/**
 * Blobs in chunks, how much of them each user has, and the attachments of messages. The code before it
 * still runs on it: it knows none of these tables.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table blobs (
      id uuid primary key,
      user_id uuid not null,
      store text not null check (store in ('postgres', 's3')),
      size_bytes bigint not null default 0,
      sha256 bytea,
      created_at timestamptz not null,
      collect_at timestamptz,
      doomed_at timestamptz,
      check (collect_at is not null or (sha256 is not null and doomed_at is null))
    );
    create index blobs_to_collect on blobs (collect_at) where collect_at is not null;

    create table blob_chunks (
      blob_id uuid not null,
      position integer not null,
      bytes bytea not null,
      primary key (blob_id, position)
    );
    alter table blob_chunks alter column bytes set storage external;

    create table blob_usage (
      user_id uuid primary key,
      size_bytes bigint not null check (size_bytes >= 0)
    );

    create table attachments (
      conversation_id uuid not null,
      message_seq bigint not null,
      id uuid not null,
      message_id uuid not null,
      seq bigint not null,
      blob_id uuid not null,
      is_inline boolean not null,
      content_type text,
      filename text,
      size_bytes bigint not null,
      created_at timestamptz not null,
      primary key (conversation_id, message_seq, id)
    );
    create index attachments_by_id on attachments (id);

    comment on column blobs.size_bytes is 'grows while it is uploaded';
    comment on column blobs.sha256 is 'null: not whole yet';
    comment on column blobs.collect_at is 'null: referenced; else when it may be deleted';
    comment on column blobs.doomed_at is 'being deleted: it can no longer be written or referenced';
    comment on column attachments.seq is 'the number of its own entry in the log';
    comment on column attachments.is_inline is 'came as base64 in JSON, and is given so';
  `.execute(db);
}

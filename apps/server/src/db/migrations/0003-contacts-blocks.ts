import { sql, type Kysely } from "kysely";

/**
 * Contacts, the numbers that were looked up for them, and blocks. A block also stands on the pair's
 * conversation, where the send statement sees it under the row's lock. The code before it still
 * runs on it, and does not know blocks.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table contacts (
      user_id uuid not null references users (id),
      contact_user_id uuid not null,
      created_at timestamptz not null,
      primary key (user_id, contact_user_id),
      check (user_id <> contact_user_id)
    );

    create table contact_lookups (
      user_id uuid not null references users (id),
      number_hash bytea not null,
      asked_at timestamptz not null,
      primary key (user_id, number_hash)
    );
    create index contact_lookups_by_time on contact_lookups (asked_at);

    create table blocks (
      user_id uuid not null references users (id),
      blocked_user_id uuid not null,
      created_at timestamptz not null,
      primary key (user_id, blocked_user_id),
      check (user_id <> blocked_user_id)
    );

    alter table conversations
      add column blocked_by_a boolean not null default false,
      add column blocked_by_b boolean not null default false;

    comment on table contact_lookups is
      'the numbers that a user asked for within a day, hashed: they are limited, also those that nobody has';
    comment on column conversations.blocked_by_a is
      'user_a has blocked user_b; set in the transaction of the block';
  `.execute(db);
}

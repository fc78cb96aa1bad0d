import { sql, type Kysely } from "kysely";

/**
 * Conversation logs hold more than messages, and conversations more than two people. The code before
 * it still runs on it: what it does not know has a default, and it writes no entries.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table conversation_entries (
      conversation_id uuid not null,
      seq bigint not null,
      at timestamptz not null,
      event jsonb not null,
      primary key (conversation_id, seq)
    );

    alter table conversations
      add column last_entry_at timestamptz,
      add column archived_at timestamptz,
      add column roster_seq bigint not null default 0;
    comment on column conversations.roster_seq is
      'number of the last entry that changed the members: what was looked up of them is good as long as it is the same';

    alter table messages
      add column deleted_at timestamptz,
      add column deleted_by uuid;
  `.execute(db);
}

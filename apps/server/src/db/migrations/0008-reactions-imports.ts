import { sql, type Kysely } from "kysely";

/**
 * Reactions, imported messages, and the index that a search for a device reads. The code before it
 * still runs on it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table reactions (
      conversation_id uuid not null,
      message_id uuid not null,
      user_id uuid not null,
      emoji text not null check (char_length(emoji) between 1 and 16),
      id uuid not null,
      seq bigint not null,
      created_at timestamptz not null,
      primary key (conversation_id, message_id, user_id, emoji)
    );
    comment on column reactions.seq is 'the number of its entry in the conversation''s log';

    create table imported_messages (
      user_id uuid not null,
      conversation_id uuid not null,
      sent_at timestamptz not null,
      id uuid not null,
      item_key uuid not null,
      sender_user_id uuid not null,
      sender_device_id text not null,
      ciphertext text not null,
      wrap text,
      primary key (user_id, conversation_id, sent_at, id)
    );
    create unique index imported_messages_once on imported_messages (user_id, conversation_id, item_key);
    create unique index imported_messages_by_id on imported_messages (user_id, id);
    create index imported_messages_by_device
      on imported_messages (user_id, conversation_id, sender_device_id, sent_at, id);
    comment on column imported_messages.item_key is 'what makes an item the same when it is imported again';

    create table import_totals (
      user_id uuid primary key,
      messages bigint not null
    );

    -- The key is the same for up to 256 messages in a row, so that PostgreSQL keeps it once for all of them.
    create index messages_by_device on messages (conversation_id, sender_device_id, (seq / 256));
  `.execute(db);
}

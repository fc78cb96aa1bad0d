import { sql, type Kysely } from "kysely";

/**
 * Webhooks that wait to be sent, and the signatures of incoming ones, so that none counts twice.
 * The code before it runs on it unchanged.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table webhook_streams (
      conversation_id uuid not null,
      endpoint text not null,
      last_seq bigint not null,
      primary key (conversation_id, endpoint)
    );

    create table webhook_events (
      conversation_id uuid not null,
      endpoint text not null,
      seq bigint not null,
      id uuid not null,
      event text not null,
      body text not null,
      created_at timestamptz not null,
      retry_until timestamptz not null,
      dead_at timestamptz,
      primary key (conversation_id, endpoint, seq)
    );
    create index webhook_events_dead on webhook_events (dead_at) where dead_at is not null;

    create table payment_webhooks (
      signature bytea primary key,
      received_at timestamptz not null
    );
    create index payment_webhooks_by_time on payment_webhooks (received_at);
  `.execute(db);
}

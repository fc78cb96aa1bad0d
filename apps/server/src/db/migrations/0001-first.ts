import { sql, type Kysely } from "kysely";

/**
 * Accounts, devices, direct conversations, messages, logs, positions and receipts.
 * Each table's key begins with its owner: a user or a conversation. `position`, `mark` and `seq`
 * are explained in docs/ARCHITECTURE.md. Nothing ran before it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table users (
      id uuid primary key,
      phone text not null unique,
      name text,
      created_at timestamptz not null,
      last_seen_at timestamptz
    );

    create table otp_challenges (
      id uuid primary key,
      phone text not null,
      code_hash bytea not null,
      attempts integer not null default 0,
      created_at timestamptz not null,
      expires_at timestamptz not null
    );
    create index otp_challenges_by_phone on otp_challenges (phone, created_at);

    create table otp_locks (
      phone text primary key,
      failures integer not null default 0,
      level integer not null default 0,
      locked_until timestamptz
    );

    create table sessions (
      id uuid primary key,
      user_id uuid not null references users (id),
      device_id text,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      ended_at timestamptz,
      end_reason text check (end_reason in ('token', 'device_removed')),
      changed_at timestamptz not null
    );
    create index sessions_by_user on sessions (user_id);
    create index sessions_by_change on sessions (changed_at);

    create table devices (
      user_id uuid not null references users (id),
      device_id text not null check (length(device_id) between 1 and 64),
      public_key text not null,
      device_name text,
      push_token text,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      last_seen_at timestamptz not null,
      primary key (user_id, device_id)
    );

    create table session_devices (
      session_id uuid not null references sessions (id) on delete cascade,
      user_id uuid not null,
      device_id text not null,
      primary key (session_id, device_id),
      foreign key (user_id, device_id) references devices (user_id, device_id) on delete cascade
    );
    create index session_devices_by_device on session_devices (user_id, device_id);

    create table idempotency_keys (
      user_id uuid not null,
      key text not null,
      request_hash bytea not null,
      response jsonb,
      created_at timestamptz not null,
      primary key (user_id, key)
    );
    create index idempotency_keys_by_time on idempotency_keys (created_at);

    create table conversations (
      id uuid primary key,
      is_group boolean not null,
      name text,
      user_a uuid not null,
      user_b uuid not null,
      created_at timestamptz not null,
      last_seq bigint not null default 0,
      last_message_at timestamptz,
      roster_version integer not null default 0,
      check (is_group or user_a < user_b)
    );
    create unique index conversations_by_pair on conversations (user_a, user_b) where not is_group;

    create table conversation_members (
      conversation_id uuid not null,
      user_id uuid not null,
      from_seq bigint not null,
      to_seq bigint,
      joined_at timestamptz not null,
      primary key (conversation_id, user_id, from_seq)
    );
    create index conversation_members_by_user on conversation_members (user_id, conversation_id);

    create table messages (
      conversation_id uuid not null,
      seq bigint not null,
      id uuid not null,
      sender_user_id uuid not null,
      sender_device_id text not null,
      dedupe_key uuid,
      sent_at timestamptz not null,
      ciphertext text not null,
      wraps jsonb,
      primary key (conversation_id, seq)
    );
    create index messages_by_id on messages (id);
    create unique index messages_once on messages (conversation_id, dedupe_key) where dedupe_key is not null;

    create table account_logs (
      user_id uuid primary key,
      last_seq bigint not null default 0,
      pruned_seq bigint not null default 0
    );

    create table account_entries (
      user_id uuid not null,
      seq bigint not null,
      at timestamptz not null,
      event jsonb not null,
      primary key (user_id, seq)
    );
    create index account_entries_by_time on account_entries using brin (at);

    create table positions (
      user_id uuid not null,
      device_id text not null,
      log_id uuid not null,
      seq bigint not null,
      primary key (user_id, device_id, log_id)
    );

    create table marks (
      conversation_id uuid not null,
      user_id uuid not null,
      kind text not null check (kind in ('delivered', 'read')),
      through_seq bigint not null,
      device_id text not null,
      at timestamptz not null,
      primary key (conversation_id, user_id, kind, through_seq, device_id)
    );

    create table single_marks (
      conversation_id uuid not null,
      user_id uuid not null,
      kind text not null check (kind in ('delivered', 'read')),
      seq bigint not null,
      device_id text not null,
      at timestamptz not null,
      primary key (conversation_id, user_id, kind, seq, device_id)
    );

    comment on column conversations.roster_version is
      'raised when a member adds, replaces or removes a device, so that a send sealed for the old devices stores nothing';
    comment on column marks.device_id is 'empty: a token that published no device';
    comment on column messages.wraps is 'device key (see messages.queries.ts) to wrap';
  `.execute(db);
}

-- The migrated schema, for reading and for diffs. Made by `npm run schema:dump`.

create table account_entries (
  user_id uuid not null,
  seq bigint not null,
  at timestamp with time zone not null,
  event jsonb not null,
  constraint account_entries_pkey PRIMARY KEY (user_id, seq)
);
alter table account_entries set (autovacuum_vacuum_insert_scale_factor = 0.05);
alter table account_entries set (autovacuum_vacuum_scale_factor = 0.05);

create table account_logs (
  user_id uuid not null,
  last_seq bigint not null default 0,
  pruned_seq bigint not null default 0,
  constraint account_logs_pkey PRIMARY KEY (user_id)
);
alter table account_logs set (autovacuum_vacuum_scale_factor = 0.02);
alter table account_logs set (fillfactor = 50);

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
  created_at timestamp with time zone not null,
  constraint attachments_pkey PRIMARY KEY (conversation_id, message_seq, id)
);
CREATE INDEX attachments_by_id ON attachments USING btree (id);
comment on column attachments.seq is 'the number of its own entry in the log';
comment on column attachments.is_inline is 'came as base64 in JSON, and is given so';

create table audit_rows (
  conversation_id uuid not null,
  id uuid not null,
  action text not null,
  actor_user_id uuid not null,
  target_user_id uuid,
  message_id uuid,
  created_at timestamp with time zone not null,
  constraint audit_rows_pkey PRIMARY KEY (conversation_id, id)
);

create table blob_chunks (
  blob_id uuid not null,
  position integer not null,
  bytes bytea not null,
  constraint blob_chunks_pkey PRIMARY KEY (blob_id, "position")
);

create table blob_uploads (
  blob_id uuid not null,
  offset_bytes bigint not null default 0,
  announced_sha256 bytea,
  hash_state bytea,
  store_upload text,
  store_tags text[] not null default '{}'::text[],
  constraint blob_uploads_offset_bytes_check CHECK ((offset_bytes >= 0)),
  constraint blob_uploads_pkey PRIMARY KEY (blob_id)
);
comment on table blob_uploads is 'of a blob that comes in several requests, until it is whole';
comment on column blob_uploads.offset_bytes is 'so many bytes are stored; blobs.size_bytes is all that will come';
comment on column blob_uploads.hash_state is 'SHA-256 of the bytes so far, as it can be gone on with';
comment on column blob_uploads.store_tags is 'what the store said of each piece';

create table blob_usage (
  user_id uuid not null,
  size_bytes bigint not null,
  constraint blob_usage_size_bytes_check CHECK ((size_bytes >= 0)),
  constraint blob_usage_pkey PRIMARY KEY (user_id)
);

create table blobs (
  id uuid not null,
  user_id uuid not null,
  store text not null,
  size_bytes bigint not null default 0,
  sha256 bytea,
  created_at timestamp with time zone not null,
  collect_at timestamp with time zone,
  doomed_at timestamp with time zone,
  constraint blobs_check CHECK (((collect_at IS NOT NULL) OR ((sha256 IS NOT NULL) AND (doomed_at IS NULL)))),
  constraint blobs_store_check CHECK ((store = ANY (ARRAY['postgres'::text, 's3'::text]))),
  constraint blobs_pkey PRIMARY KEY (id)
);
CREATE INDEX blobs_to_collect ON blobs USING btree (collect_at) WHERE (collect_at IS NOT NULL);
comment on column blobs.size_bytes is 'grows while it is uploaded';
comment on column blobs.sha256 is 'null: not whole yet';
comment on column blobs.collect_at is 'null: referenced; else when it may be deleted';
comment on column blobs.doomed_at is 'being deleted: it can no longer be written or referenced';

create table blocks (
  user_id uuid not null,
  blocked_user_id uuid not null,
  created_at timestamp with time zone not null,
  constraint blocks_check CHECK ((user_id <> blocked_user_id)),
  constraint blocks_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id),
  constraint blocks_pkey PRIMARY KEY (user_id, blocked_user_id)
);
CREATE INDEX blocks_by_blocked ON blocks USING btree (blocked_user_id, user_id);

create table contact_lookups (
  user_id uuid not null,
  number_hash bytea not null,
  asked_at timestamp with time zone not null,
  constraint contact_lookups_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id),
  constraint contact_lookups_pkey PRIMARY KEY (user_id, number_hash)
);
CREATE INDEX contact_lookups_by_time ON contact_lookups USING btree (asked_at);
comment on table contact_lookups is 'the numbers that a user asked for within a day, hashed: they are limited, also those that nobody has';

create table contacts (
  user_id uuid not null,
  contact_user_id uuid not null,
  created_at timestamp with time zone not null,
  constraint contacts_check CHECK ((user_id <> contact_user_id)),
  constraint contacts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id),
  constraint contacts_pkey PRIMARY KEY (user_id, contact_user_id)
);

create table conversation_entries (
  conversation_id uuid not null,
  seq bigint not null,
  at timestamp with time zone not null,
  event jsonb not null,
  constraint conversation_entries_pkey PRIMARY KEY (conversation_id, seq)
);
alter table conversation_entries set (autovacuum_vacuum_insert_scale_factor = 0.05);

create table conversation_members (
  conversation_id uuid not null,
  user_id uuid not null,
  from_seq bigint not null,
  to_seq bigint,
  joined_at timestamp with time zone not null,
  role text not null default 'member'::text,
  constraint conversation_members_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text]))),
  constraint conversation_members_pkey PRIMARY KEY (conversation_id, user_id, from_seq)
);
CREATE INDEX conversation_members_by_user ON conversation_members USING btree (user_id, conversation_id);
CREATE UNIQUE INDEX conversation_members_one_owner ON conversation_members USING btree (conversation_id) WHERE ((to_seq IS NULL) AND (role = 'owner'::text));
CREATE UNIQUE INDEX conversation_members_present ON conversation_members USING btree (conversation_id, user_id) WHERE (to_seq IS NULL);

create table conversations (
  id uuid not null,
  is_group boolean not null,
  name text,
  user_a uuid not null,
  user_b uuid not null,
  created_at timestamp with time zone not null,
  last_seq bigint not null default 0,
  last_message_at timestamp with time zone,
  roster_version integer not null default 0,
  last_entry_at timestamp with time zone,
  archived_at timestamp with time zone,
  roster_seq bigint not null default 0,
  blocked_by_a boolean not null default false,
  blocked_by_b boolean not null default false,
  avatar_url text,
  avatar_blob_id uuid,
  avatar_type text,
  constraint conversations_avatar_type CHECK (((avatar_type IS NULL) = (avatar_blob_id IS NULL))),
  constraint conversations_check CHECK ((is_group OR (user_a < user_b))),
  constraint conversations_check1 CHECK (((avatar_url IS NULL) OR (avatar_blob_id IS NULL))),
  constraint conversations_pkey PRIMARY KEY (id)
);
alter table conversations set (autovacuum_vacuum_scale_factor = 0.02);
alter table conversations set (fillfactor = 75);
CREATE UNIQUE INDEX conversations_by_pair ON conversations USING btree (user_a, user_b) WHERE (NOT is_group);
comment on column conversations.roster_version is 'raised when a member adds, replaces or removes a device, so that a send sealed for the old devices stores nothing';
comment on column conversations.roster_seq is 'number of the last entry that changed the members: what was looked up of them is good as long as it is the same';
comment on column conversations.blocked_by_a is 'user_a has blocked user_b; set in the transaction of the block';

create table device_handovers (
  user_id uuid not null,
  device_id text not null,
  from_device_id text not null,
  body text not null,
  wrap text not null,
  created_at timestamp with time zone not null,
  constraint device_handovers_user_id_device_id_fkey FOREIGN KEY (user_id, device_id) REFERENCES devices(user_id, device_id) ON DELETE CASCADE,
  constraint device_handovers_pkey PRIMARY KEY (user_id, device_id)
);

create table device_lists (
  user_id uuid not null,
  version integer not null,
  list bytea not null,
  hash bytea not null,
  published_at timestamp with time zone not null,
  constraint device_lists_hash_check CHECK ((octet_length(hash) = 32)),
  constraint device_lists_list_check CHECK ((octet_length(list) <= 16384)),
  constraint device_lists_version_check CHECK ((version > 0)),
  constraint device_lists_pkey PRIMARY KEY (user_id, version)
);
comment on column device_lists.hash is 'SHA-256 of the list: what the next one must name';

create table devices (
  user_id uuid not null,
  device_id text not null,
  public_key text not null,
  device_name text,
  push_token text,
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  last_seen_at timestamp with time zone not null,
  constraint devices_device_id_check CHECK (((length(device_id) >= 1) AND (length(device_id) <= 64))),
  constraint devices_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id),
  constraint devices_pkey PRIMARY KEY (user_id, device_id)
);
alter table devices set (autovacuum_vacuum_scale_factor = 0.05);
alter table devices set (fillfactor = 85);

create table group_invites (
  conversation_id uuid not null,
  code text not null,
  created_by uuid not null,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone,
  max_uses integer not null,
  uses integer not null default 0,
  constraint group_invites_check CHECK (((uses >= 0) AND ((max_uses = 0) OR (uses <= max_uses)))),
  constraint group_invites_pkey PRIMARY KEY (conversation_id, code)
);
CREATE UNIQUE INDEX group_invites_by_code ON group_invites USING btree (code);
comment on column group_invites.max_uses is '0: no limit';

create table idempotency_keys (
  user_id uuid not null,
  key text not null,
  request_hash bytea not null,
  response jsonb,
  created_at timestamp with time zone not null,
  constraint idempotency_keys_pkey PRIMARY KEY (user_id, key)
);
alter table idempotency_keys set (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys USING btree (created_at);

create table import_totals (
  user_id uuid not null,
  messages bigint not null,
  constraint import_totals_pkey PRIMARY KEY (user_id)
);

create table imported_messages (
  user_id uuid not null,
  conversation_id uuid not null,
  sent_at timestamp with time zone not null,
  id uuid not null,
  item_key uuid not null,
  sender_user_id uuid not null,
  sender_device_id text not null,
  ciphertext text not null,
  wrap text,
  constraint imported_messages_pkey PRIMARY KEY (user_id, conversation_id, sent_at, id)
);
CREATE INDEX imported_messages_by_device ON imported_messages USING btree (user_id, conversation_id, sender_device_id, sent_at, id);
CREATE UNIQUE INDEX imported_messages_by_id ON imported_messages USING btree (user_id, id);
CREATE UNIQUE INDEX imported_messages_once ON imported_messages USING btree (user_id, conversation_id, item_key);
comment on column imported_messages.item_key is 'what makes an item the same when it is imported again';

create table maintenance_tasks (
  name text not null,
  cursor uuid,
  due_at timestamp with time zone not null,
  constraint maintenance_tasks_pkey PRIMARY KEY (name)
);
comment on table maintenance_tasks is 'its row is locked by the process that does the task';
comment on column maintenance_tasks.cursor is 'where a task that goes through a table has come to; null: it begins anew';

create table marks (
  conversation_id uuid not null,
  user_id uuid not null,
  kind text not null,
  through_seq bigint not null,
  device_id text not null,
  at timestamp with time zone not null,
  constraint marks_kind_check CHECK ((kind = ANY (ARRAY['delivered'::text, 'read'::text]))),
  constraint marks_pkey PRIMARY KEY (conversation_id, user_id, kind, through_seq, device_id)
);
alter table marks set (autovacuum_analyze_scale_factor = 0.02);
alter table marks set (autovacuum_vacuum_insert_scale_factor = 0.05);
comment on column marks.device_id is 'empty: a token that published no device';

create table messages (
  conversation_id uuid not null,
  seq bigint not null,
  id uuid not null,
  sender_user_id uuid not null,
  sender_device_id text not null,
  dedupe_key uuid,
  sent_at timestamp with time zone not null,
  ciphertext text not null,
  wraps jsonb,
  deleted_at timestamp with time zone,
  deleted_by uuid,
  constraint messages_pkey PRIMARY KEY (conversation_id, seq)
);
alter table messages set (autovacuum_analyze_scale_factor = 0.02);
alter table messages set (autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX messages_by_device ON messages USING btree (conversation_id, sender_device_id, ((seq / 256)));
CREATE INDEX messages_by_id ON messages USING btree (id);
CREATE UNIQUE INDEX messages_once ON messages USING btree (conversation_id, dedupe_key) WHERE (dedupe_key IS NOT NULL);
comment on column messages.wraps is 'device key (see messages.queries.ts) to wrap';

create table otp_challenges (
  id uuid not null,
  phone text not null,
  code_hash bytea not null,
  attempts integer not null default 0,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  constraint otp_challenges_pkey PRIMARY KEY (id)
);
alter table otp_challenges set (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX otp_challenges_by_phone ON otp_challenges USING btree (phone, created_at);
CREATE INDEX otp_challenges_by_time ON otp_challenges USING btree (expires_at);

create table otp_locks (
  phone text not null,
  failures integer not null default 0,
  level integer not null default 0,
  locked_until timestamp with time zone,
  constraint otp_locks_pkey PRIMARY KEY (phone)
);

create table payment_webhooks (
  signature bytea not null,
  received_at timestamp with time zone not null,
  constraint payment_webhooks_pkey PRIMARY KEY (signature)
);
CREATE INDEX payment_webhooks_by_time ON payment_webhooks USING btree (received_at);

create table positions (
  user_id uuid not null,
  device_id text not null,
  log_id uuid not null,
  seq bigint not null,
  constraint positions_pkey PRIMARY KEY (user_id, device_id, log_id)
);
alter table positions set (autovacuum_vacuum_scale_factor = 0.02);
alter table positions set (fillfactor = 75);

create table reactions (
  conversation_id uuid not null,
  message_id uuid not null,
  user_id uuid not null,
  emoji text not null,
  id uuid not null,
  seq bigint not null,
  created_at timestamp with time zone not null,
  constraint reactions_emoji_check CHECK (((char_length(emoji) >= 1) AND (char_length(emoji) <= 16))),
  constraint reactions_pkey PRIMARY KEY (conversation_id, message_id, user_id, emoji)
);
comment on column reactions.seq is 'the number of its entry in the conversation''s log';

create table registration_pins (
  user_id uuid not null,
  salt bytea not null,
  hash bytea not null,
  seen_at timestamp with time zone not null,
  failures integer not null default 0,
  level integer not null default 0,
  locked_until timestamp with time zone,
  constraint registration_pins_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  constraint registration_pins_pkey PRIMARY KEY (user_id)
);
comment on table registration_pins is 'failures, level and locked_until: of tries with a token; tries at sign-in count in otp_locks';

create table session_devices (
  session_id uuid not null,
  user_id uuid not null,
  device_id text not null,
  constraint session_devices_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions(id) ON DELETE CASCADE,
  constraint session_devices_user_id_device_id_fkey FOREIGN KEY (user_id, device_id) REFERENCES devices(user_id, device_id) ON DELETE CASCADE,
  constraint session_devices_pkey PRIMARY KEY (session_id, device_id)
);
CREATE INDEX session_devices_by_device ON session_devices USING btree (user_id, device_id);

create table sessions (
  id uuid not null,
  user_id uuid not null,
  device_id text,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  end_reason text,
  changed_at timestamp with time zone not null,
  constraint sessions_end_reason_check CHECK ((end_reason = ANY (ARRAY['token'::text, 'device_removed'::text]))),
  constraint sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id),
  constraint sessions_pkey PRIMARY KEY (id)
);
CREATE INDEX sessions_by_change ON sessions USING btree (changed_at);
CREATE INDEX sessions_by_expiry ON sessions USING btree (expires_at);
CREATE INDEX sessions_by_user ON sessions USING btree (user_id);

create table single_marks (
  conversation_id uuid not null,
  user_id uuid not null,
  kind text not null,
  seq bigint not null,
  device_id text not null,
  at timestamp with time zone not null,
  constraint single_marks_kind_check CHECK ((kind = ANY (ARRAY['delivered'::text, 'read'::text]))),
  constraint single_marks_pkey PRIMARY KEY (conversation_id, user_id, kind, seq, device_id)
);

create table users (
  id uuid not null,
  phone text not null,
  name text,
  created_at timestamp with time zone not null,
  last_seen_at timestamp with time zone,
  constraint users_pkey PRIMARY KEY (id),
  constraint users_phone_key UNIQUE (phone)
);

create table webhook_events (
  conversation_id uuid not null,
  endpoint text not null,
  seq bigint not null,
  id uuid not null,
  event text not null,
  body text not null,
  created_at timestamp with time zone not null,
  retry_until timestamp with time zone not null,
  dead_at timestamp with time zone,
  constraint webhook_events_pkey PRIMARY KEY (conversation_id, endpoint, seq)
);
alter table webhook_events set (autovacuum_vacuum_scale_factor = 0.01);
alter table webhook_events set (autovacuum_vacuum_threshold = 500);
CREATE INDEX webhook_events_dead ON webhook_events USING btree (dead_at) WHERE (dead_at IS NOT NULL);

create table webhook_streams (
  conversation_id uuid not null,
  endpoint text not null,
  last_seq bigint not null,
  constraint webhook_streams_pkey PRIMARY KEY (conversation_id, endpoint)
);
alter table webhook_streams set (autovacuum_vacuum_scale_factor = 0.02);
alter table webhook_streams set (fillfactor = 75);

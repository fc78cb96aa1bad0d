import { sql, type Kysely } from "kysely";

/** Signed device lists, and what an approving device hands to a new one. The code before it still runs on it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table device_lists (
      user_id uuid not null,
      version int not null check (version > 0),
      list bytea not null check (octet_length(list) <= 16384),
      hash bytea not null check (octet_length(hash) = 32),
      published_at timestamptz not null,
      primary key (user_id, version)
    );
    comment on column device_lists.hash is 'SHA-256 of the list: what the next one must name';

    create table device_handovers (
      user_id uuid not null,
      device_id text not null,
      from_device_id text not null,
      body text not null,
      wrap text not null,
      created_at timestamptz not null,
      primary key (user_id, device_id),
      foreign key (user_id, device_id) references devices on delete cascade
    );
  `.execute(db);
}

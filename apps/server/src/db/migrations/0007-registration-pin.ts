import { sql, type Kysely } from "kysely";

/**
 * Registration PINs, and when their account was last in use. The code before it still runs on it,
 * without asking for PINs.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table registration_pins (
      user_id uuid primary key references users (id) on delete cascade,
      salt bytea not null,
      hash bytea not null,
      seen_at timestamptz not null,
      failures integer not null default 0,
      level integer not null default 0,
      locked_until timestamptz
    );
    comment on table registration_pins is 'failures, level and locked_until: of tries with a token; tries at sign-in count in otp_locks';
  `.execute(db);
}

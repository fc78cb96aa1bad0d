import { sql, type Kysely } from "kysely";

/**
 * Indexes for what would read whole tables as they grow, and how far maintenance has come. The code
 * before it still runs on it; its pruning of account logs reads the whole table.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create index blocks_by_blocked on blocks (blocked_user_id, user_id);
    create index otp_challenges_by_time on otp_challenges (expires_at);
    create index sessions_by_expiry on sessions (expires_at);
    -- Logs are pruned user by user now.
    drop index account_entries_by_time;

    create table maintenance_tasks (
      name text primary key,
      cursor uuid,
      due_at timestamptz not null
    );
    comment on table maintenance_tasks is 'its row is locked by the process that does the task';
    comment on column maintenance_tasks.cursor is 'where a task that goes through a table has come to; null: it begins anew';
  `.execute(db);
}

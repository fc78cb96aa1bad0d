import { sql, type Kysely } from "kysely";

/**
 * Storage settings by how a table is written; docs/OPERATIONS.md has the reasons. The code before it
 * still runs on it. A fill factor holds for pages that are written from now on.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- One row, updated again and again: room on its page keeps the new version there, without new index entries.
    alter table conversations set (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02);
    alter table account_logs set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
    alter table positions set (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02);
    alter table webhook_streams set (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02);
    alter table devices set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);

    -- Only ever longer: index-only scans need pages that are known to be visible to all.
    alter table messages set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
    alter table conversation_entries set (autovacuum_vacuum_insert_scale_factor = 0.05);
    alter table marks set (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

    -- Written and deleted: dead rows are to go before they are many.
    alter table account_entries set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
    alter table webhook_events set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
    alter table idempotency_keys set (autovacuum_vacuum_scale_factor = 0.02);
    alter table otp_challenges set (autovacuum_vacuum_scale_factor = 0.02);
  `.execute(db);
}

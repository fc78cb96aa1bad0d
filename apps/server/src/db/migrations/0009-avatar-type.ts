import { sql, type Kysely } from "kysely";

/** The media type of an uploaded avatar. The code before it still runs on it: it uploads none. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table conversations
      add column avatar_type text,
      add constraint conversations_avatar_type check ((avatar_type is null) = (avatar_blob_id is null));
  `.execute(db);
}

import { sql } from "kysely";
import { Migrator, type Migration } from "kysely/migration";
import { openDatabase, type Db } from "./db.ts";
import * as first from "./migrations/0001-first.ts";
import * as conversationEntries from "./migrations/0002-conversation-entries.ts";
import * as contactsBlocks from "./migrations/0003-contacts-blocks.ts";
import * as blobsAttachments from "./migrations/0004-blobs-attachments.ts";
import * as groups from "./migrations/0005-groups.ts";
import * as eventsOut from "./migrations/0006-events-out.ts";
import * as registrationPin from "./migrations/0007-registration-pin.ts";
import * as reactionsImports from "./migrations/0008-reactions-imports.ts";
import * as avatarType from "./migrations/0009-avatar-type.ts";
import * as deviceLists from "./migrations/0010-device-lists.ts";
import * as resumableUploads from "./migrations/0011-resumable-uploads.ts";
import * as growth from "./migrations/0012-growth.ts";
import * as autovacuum from "./migrations/0013-autovacuum.ts";

/** Listed, not found on disk, so that a bundle or a stray file changes nothing. Landed ones are never edited. */
const migrations: Record<string, Migration> = {
  "0001-first": first,
  "0002-conversation-entries": conversationEntries,
  "0003-contacts-blocks": contactsBlocks,
  "0004-blobs-attachments": blobsAttachments,
  "0005-groups": groups,
  "0006-events-out": eventsOut,
  "0007-registration-pin": registrationPin,
  "0008-reactions-imports": reactionsImports,
  "0009-avatar-type": avatarType,
  "0010-device-lists": deviceLists,
  "0011-resumable-uploads": resumableUploads,
  "0012-growth": growth,
  "0013-autovacuum": autovacuum,
};

/** Brings the database to the newest schema. Several processes may start at once: one migrates, the others wait. */
export async function migrate(db: Db): Promise<void> {
  if (await isMigrated(db)) return;
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => migrations },
  });
  const { error } = await migrator.migrateToLatest();
  if (error) throw error instanceof Error ? error : new Error("The migration failed", { cause: error });
}

/** Spares a start the migrator's locks and look-ups when there is nothing to do. */
async function isMigrated(db: Db): Promise<boolean> {
  const found = await sql<{ name: string }>`select name from kysely_migration order by name`
    .execute(db)
    .catch(() => undefined);
  return found !== undefined && found.rows.map(({ name }) => name).join() === Object.keys(migrations).join();
}

export async function migrateDatabase(url: string): Promise<void> {
  await using database = openDatabase({ url, maxConnections: 1 });
  await migrate(database.db);
}

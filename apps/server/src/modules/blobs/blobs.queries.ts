import type { UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";
import type { BlobId, StoreName } from "./blobs.tables.ts";

/** False when there is a blob of this id. */
export async function insertBlob(
  tx: Tx,
  blob: { id: BlobId; userId: UserId; store: StoreName; at: Date; collectAt: Date },
): Promise<boolean> {
  const { id, userId, store, at, collectAt } = blob;
  await tx
    .insertInto("blob_usage")
    .values({ user_id: userId, size_bytes: 0 })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const inserted = await tx
    .insertInto("blobs")
    .values({
      id,
      user_id: userId,
      store,
      sha256: null,
      created_at: at,
      collect_at: collectAt,
      doomed_at: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("id")
    .executeTakeFirst();
  return inserted !== undefined;
}

export async function findUsedBytes(db: Db | Tx, userId: UserId): Promise<number> {
  const found = await db
    .selectFrom("blob_usage")
    .select("size_bytes")
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return found?.size_bytes ?? 0;
}

/**
 * Counts bytes for a blob and its user before they are written, and puts its collection off. False
 * when the user would have more than `maxUserBytes` (the counter's row lock holds that against
 * uploads at the same time), or the blob is doomed.
 */
export async function growBlob(
  db: Db | Tx,
  blob: { id: BlobId; userId: UserId; bytes: number; maxUserBytes: number; collectAt: Date },
): Promise<boolean> {
  const { id, userId, bytes, maxUserBytes, collectAt } = blob;
  const { rows } = await sql`
    with held as (
      select id from blobs where id = ${id} and doomed_at is null for update
    ), counted as (
      update blob_usage u set size_bytes = u.size_bytes + ${bytes}::bigint from held
      where u.user_id = ${userId} and u.size_bytes + ${bytes}::bigint <= ${maxUserBytes}::bigint
      returning held.id
    )
    update blobs b set size_bytes = b.size_bytes + ${bytes}::bigint, collect_at = ${collectAt}
    from counted where b.id = counted.id
    returning b.id
  `.execute(db);
  return rows.length > 0;
}

/** False when the blob is doomed. */
export async function completeBlob(db: Db | Tx, id: BlobId, sha256: Buffer): Promise<boolean> {
  const completed = await db
    .updateTable("blobs")
    .set({ sha256 })
    .where("id", "=", id)
    .where("doomed_at", "is", null)
    .returning("id")
    .executeTakeFirst();
  return completed !== undefined;
}

/** False for a blob that is not whole, doomed, or has its reference already. */
export async function markReferenced(tx: Tx, id: BlobId): Promise<boolean> {
  const marked = await tx
    .updateTable("blobs")
    .set({ collect_at: null })
    .where("id", "=", id)
    .where("sha256", "is not", null)
    .where("collect_at", "is not", null)
    .where("doomed_at", "is", null)
    .returning("id")
    .executeTakeFirst();
  return marked !== undefined;
}

export function markReleased(tx: Tx, ids: BlobId[], at: Date) {
  return tx
    .updateTable("blobs")
    .set({ collect_at: at })
    .where((eb) => eb("id", "=", eb.fn.any(eb.val(ids))))
    .where("doomed_at", "is", null)
    .execute();
}

export function findWholeBlob(db: Db | Tx, id: BlobId) {
  return db
    .selectFrom("blobs")
    .select(["id", "store", "size_bytes", "sha256"])
    .where("id", "=", id)
    .where("sha256", "is not", null)
    .executeTakeFirst();
}

export interface DoomedBlob {
  id: BlobId;
  store: StoreName;
  isWhole: boolean;
}

/**
 * Dooms blobs without a reference: those whose time has come, or one that is named. Who dooms them
 * deletes them by `retryAt`; after that another one does.
 */
export async function doomBlobs(
  db: Db,
  options: { at: Date; retryAt: Date; limit: number; only?: BlobId },
): Promise<DoomedBlob[]> {
  const { at, retryAt, limit, only } = options;
  const { rows } = await sql<DoomedBlob>`
    update blobs set doomed_at = ${at}, collect_at = ${retryAt}
    where id in (
      select id from blobs
      where ${only === undefined ? sql`collect_at <= ${at}` : sql`id = ${only} and collect_at is not null`}
      order by collect_at limit ${limit}
      for update skip locked
    )
    returning id, store, sha256 is not null as "isWhole"
  `.execute(db);
  return rows;
}

/** Forgets a doomed blob whose bytes are gone, and gives its user the room back. */
export async function deleteDoomed(db: Db, id: BlobId): Promise<void> {
  await sql`
    with gone as (
      delete from blobs where id = ${id} and doomed_at is not null returning user_id, size_bytes
    ), unfinished as (
      delete from blob_uploads where blob_id = ${id}
    )
    update blob_usage u set size_bytes = u.size_bytes - gone.size_bytes
    from gone where u.user_id = gone.user_id
  `.execute(db);
}

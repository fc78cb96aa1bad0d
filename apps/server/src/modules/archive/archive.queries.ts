import type { ConversationId, DeviceId, MessageId, UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";

/** Whose imports, and into which conversation. */
export interface ImportOwner {
  userId: UserId;
  conversationId: ConversationId;
}

export interface ImportedRow {
  id: MessageId;
  conversationId: ConversationId;
  senderUserId: UserId;
  senderDeviceId: DeviceId;
  sentAt: Date;
  ciphertext: string;
  wrap: string | null;
  recipientUserId: UserId;
}

export interface NewImport extends Omit<ImportedRow, "conversationId" | "recipientUserId"> {
  itemKey: string;
  /** The id that the item came with. */
  givenId: MessageId | null;
}

const columns = sql`
  i.id, i.conversation_id as "conversationId", i.sender_user_id as "senderUserId",
  i.sender_device_id as "senderDeviceId", i.sent_at as "sentAt", i.ciphertext, i.wrap,
  case when c.is_group then i.user_id when c.user_a = i.sender_user_id then c.user_b else c.user_a end
    as "recipientUserId"`;

const ownedBy = (owner: ImportOwner) => sql`
  from imported_messages i join conversations c on c.id = i.conversation_id
  where i.user_id = ${owner.userId} and i.conversation_id = ${owner.conversationId}`;

/** Imported messages are ordered by time and id. */
export interface ImportPoint {
  at: Date;
  id: string;
}

/** The newest imported messages before a point, the newest first. */
export async function listNewestImported(
  db: Db | Tx,
  owner: ImportOwner,
  page: { before: ImportPoint; since: Date; senderDeviceId?: DeviceId | null | undefined; limit: number },
): Promise<ImportedRow[]> {
  const device = page.senderDeviceId ? sql`and i.sender_device_id = ${page.senderDeviceId}` : sql``;
  const { rows } = await sql<ImportedRow>`
    select ${columns} ${ownedBy(owner)} ${device}
      and (i.sent_at, i.id) < (${page.before.at}, ${page.before.id}::uuid) and i.sent_at >= ${page.since}
    order by i.sent_at desc, i.id desc limit ${page.limit}
  `.execute(db);
  return rows;
}

/** Imported messages after a point, the oldest first. */
export async function listImportedAfter(
  db: Db | Tx,
  owner: ImportOwner,
  page: { after: ImportPoint; limit: number },
): Promise<ImportedRow[]> {
  const { rows } = await sql<ImportedRow>`
    select ${columns} ${ownedBy(owner)}
      and (i.sent_at, i.id) > (${page.after.at}, ${page.after.id}::uuid)
    order by i.sent_at, i.id limit ${page.limit}
  `.execute(db);
  return rows;
}

export async function findImported(
  db: Db | Tx,
  owner: ImportOwner,
  id: MessageId,
): Promise<ImportPoint | undefined> {
  const row = await db
    .selectFrom("imported_messages")
    .select(["sent_at", "id"])
    .where("user_id", "=", owner.userId)
    .where("conversation_id", "=", owner.conversationId)
    .where("id", "=", id)
    .executeTakeFirst();
  return row && { at: row.sent_at, id: row.id };
}

/** How many messages the user has imported; locked until the transaction ends, so that imports of one user run in turn. */
export async function lockTotal(tx: Tx, userId: UserId): Promise<number> {
  const { rows } = await sql<{ messages: number }>`
    insert into import_totals (user_id, messages) values (${userId}, 0)
    on conflict (user_id) do update set messages = import_totals.messages
    returning messages
  `.execute(tx);
  return rows[0]?.messages ?? 0;
}

export function raiseTotal(tx: Tx, userId: UserId, added: number) {
  return tx
    .updateTable("import_totals")
    .set((set) => ({ messages: set("messages", "+", added) }))
    .where("user_id", "=", userId)
    .execute();
}

/** Stores what is not there yet; gives the ids of what was stored. */
export async function insertImported(tx: Tx, owner: ImportOwner, items: NewImport[]): Promise<MessageId[]> {
  const { rows } = await sql<{ id: MessageId }>`
    insert into imported_messages
      (user_id, conversation_id, sent_at, id, item_key, sender_user_id, sender_device_id, ciphertext, wrap)
    select ${owner.userId}, ${owner.conversationId}, i.sent_at, i.id, i.item_key, i.sender_user_id,
      i.sender_device_id, i.ciphertext, i.wrap
    from unnest(
      ${items.map(({ sentAt }) => sentAt)}::timestamptz[],
      ${items.map(({ id }) => id)}::uuid[],
      ${items.map(({ itemKey }) => itemKey)}::uuid[],
      ${items.map(({ senderUserId }) => senderUserId)}::uuid[],
      ${items.map(({ senderDeviceId }) => senderDeviceId)}::text[],
      ${items.map(({ ciphertext }) => ciphertext)}::text[],
      ${items.map(({ wrap }) => wrap)}::text[],
      ${items.map(({ givenId }) => givenId)}::uuid[]
    ) as i(sent_at, id, item_key, sender_user_id, sender_device_id, ciphertext, wrap, given_id)
    where not exists (
      select from imported_messages k where k.user_id = ${owner.userId} and k.id = i.given_id
        and k.conversation_id = ${owner.conversationId}
    )
    on conflict (user_id, conversation_id, item_key) do nothing
    returning id
  `.execute(tx);
  return rows.map((row) => row.id);
}

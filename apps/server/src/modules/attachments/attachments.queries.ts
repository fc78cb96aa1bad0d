import type { AttachmentId, ConversationId, MessageId, UserId } from "@sotto/schema";
import { sql } from "kysely";
import type { Db, Tx } from "../../db/db.ts";
import type { BlobId } from "../blobs/blobs.tables.ts";

/** A message, by its place in its log. */
export interface MessagePlace {
  conversationId: ConversationId;
  seq: number;
}

export interface AttachmentRow {
  id: AttachmentId;
  messageId: MessageId;
  blobId: BlobId;
  isInline: boolean;
  contentType: string | null;
  filename: string | null;
  sizeBytes: number;
  createdAt: Date;
}

const columns = sql`
  a.id, a.message_id as "messageId", a.blob_id as "blobId", a.is_inline as "isInline",
  a.content_type as "contentType", a.filename, a.size_bytes as "sizeBytes", a.created_at as "createdAt"`;

/** Both the message and the attachment came while the reader was a member. */
const visibleTo = (reader: UserId) => sql`
  exists (
    select from conversation_members v where v.conversation_id = a.conversation_id and v.user_id = ${reader}
      and a.message_seq > v.from_seq and (v.to_seq is null or a.message_seq <= v.to_seq)
  ) and exists (
    select from conversation_members v where v.conversation_id = a.conversation_id and v.user_id = ${reader}
      and a.seq > v.from_seq and (v.to_seq is null or a.seq <= v.to_seq)
  )`;

/** What is attached to messages with numbers in (after, through], in the order of the messages, each the oldest first. */
export async function listAttachments(
  db: Db | Tx,
  reader: UserId,
  range: { conversationId: ConversationId; afterSeq: number; throughSeq: number; limit: number },
): Promise<AttachmentRow[]> {
  const { rows } = await sql<AttachmentRow>`
    select ${columns} from attachments a
    where a.conversation_id = ${range.conversationId}
      and a.message_seq > ${range.afterSeq} and a.message_seq <= ${range.throughSeq}
      and ${visibleTo(reader)}
    order by a.message_seq, a.seq limit ${range.limit}
  `.execute(db);
  return rows;
}

export async function findAttachment(
  db: Db | Tx,
  reader: UserId,
  id: AttachmentId,
): Promise<AttachmentRow | undefined> {
  const { rows } = await sql<AttachmentRow>`
    select ${columns} from attachments a where a.id = ${id} and ${visibleTo(reader)}
  `.execute(db);
  return rows[0];
}

/** Whoever may see it. */
export async function findAnyAttachment(tx: Tx, id: AttachmentId): Promise<AttachmentRow | undefined> {
  const { rows } = await sql<AttachmentRow>`
    select ${columns} from attachments a where a.id = ${id} limit 1
  `.execute(tx);
  return rows[0];
}

export async function countAttachments(
  tx: Tx,
  message: MessagePlace,
): Promise<{ count: number; inlineBytes: number }> {
  const { rows } = await sql<{ count: number; inlineBytes: number }>`
    select count(*) as count, coalesce(sum(size_bytes) filter (where is_inline), 0)::bigint as "inlineBytes"
    from attachments where conversation_id = ${message.conversationId} and message_seq = ${message.seq}
  `.execute(tx);
  return rows[0] ?? { count: 0, inlineBytes: 0 };
}

export function insertAttachment(tx: Tx, message: MessagePlace, row: AttachmentRow & { seq: number }) {
  return tx
    .insertInto("attachments")
    .values({
      conversation_id: message.conversationId,
      message_seq: message.seq,
      id: row.id,
      message_id: row.messageId,
      seq: row.seq,
      blob_id: row.blobId,
      is_inline: row.isInline,
      content_type: row.contentType,
      filename: row.filename,
      size_bytes: row.sizeBytes,
      created_at: row.createdAt,
    })
    .execute();
}

/** Gives the blobs that nothing refers to any more. */
export async function deleteAttachments(tx: Tx, message: MessagePlace): Promise<BlobId[]> {
  const deleted = await tx
    .deleteFrom("attachments")
    .where("conversation_id", "=", message.conversationId)
    .where("message_seq", "=", message.seq)
    .returning("blob_id")
    .execute();
  return deleted.map(({ blob_id }) => blob_id);
}

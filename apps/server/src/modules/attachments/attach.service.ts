import { maxAttachments, type AttachmentId, type MessageId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { isRepeated, transact, type Wakes } from "../../pipeline/transact.ts";
import { requireUploaded } from "../blobs/blob-uploads.service.ts";
import { dropBlob, referenceBlob, storeBlob, type Upload } from "../blobs/blobs.service.ts";
import type { BlobId } from "../blobs/blobs.tables.ts";
import { lockForMember, requireNoBlock } from "../conversations/conversations.service.ts";
import { appendConversationEntry } from "../logs/logs.service.ts";
import { requireVisibleMessage } from "../messages/visible-messages.service.ts";
import {
  countAttachments,
  findAnyAttachment,
  insertAttachment,
  type AttachmentRow,
  type MessagePlace,
} from "./attachments.queries.ts";

/** So much of a message may be given as base64 in one answer. */
const maxInlineBytesOfMessage = 8 * 1_048_576;

export interface Description {
  messageId: MessageId;
  contentType?: string | null | undefined;
  filename?: string | null | undefined;
}

export interface NewAttachment extends Description {
  isInline: boolean;
}

/** What is stored as the answer to an `Idempotency-Key`: without the bytes. */
export interface Attached {
  id: AttachmentId;
  contentType: string | null;
  filename: string | null;
  sizeBytes: number;
  createdAt: string;
}

/**
 * Stores the bytes, then attaches them in one short transaction. A repeated `Idempotency-Key` gives
 * the first answer; whatever was stored and is not attached in the end is dropped.
 */
export async function attach(
  call: Call,
  attachment: NewAttachment,
  upload: Omit<Upload, "userId">,
): Promise<Attached> {
  const { app, caller } = call;
  // Before the bytes are taken; it is asked again when they are attached.
  if (!(await isRepeated(call))) await requireOwnMessage(app.db, call, attachment.messageId);
  const blob = await storeBlob(app, { userId: caller.userId, ...upload });
  try {
    return await transact(call, async (tx, wakes) => {
      const message = await lockOwnMessage(call, tx, attachment.messageId);
      const id = app.newId<AttachmentId>();
      return toAttached(await attachBlob(call, tx, { id, attachment, message, blob, wakes }));
    });
  } finally {
    await dropBlob(app, blob.id);
  }
}

/**
 * Attaches an upload that is complete, under its own id; again, to the same message: gives the same.
 * Throws `UPLOAD_NOT_FOUND`, `UPLOAD_INCOMPLETE`, `UPLOAD_IN_USE`.
 */
export async function attachUpload(
  call: Call,
  { uploadId: id, ...description }: Description & { uploadId: AttachmentId },
): Promise<Attached> {
  const { app, caller } = call;
  return transact(call, async (tx, wakes) => {
    const message = await lockOwnMessage(call, tx, description.messageId);
    // Clients choose ids of uploads: without this one could be put in the place of another attachment.
    const present = await findAnyAttachment(tx, id);
    if (present && present.messageId !== description.messageId) throw new AppError("UPLOAD_IN_USE");
    if (present) return toAttached(present);
    const upload = { id: toBlobId(id), userId: caller.userId };
    const blob = await requireUploaded(app, tx, upload);
    const attachment = { ...description, isInline: false };
    return toAttached(await attachBlob(call, tx, { id, attachment, message, blob, wakes }));
  });
}

interface Attaching {
  id: AttachmentId;
  attachment: NewAttachment;
  /** Its conversation is held. */
  message: MessagePlace;
  blob: { id: BlobId; sizeBytes: number };
  wakes: Wakes;
}

async function attachBlob(call: Call, tx: Tx, attaching: Attaching): Promise<AttachmentRow> {
  const { id, attachment, message, blob, wakes } = attaching;
  const { messageId, isInline } = attachment;
  const { count, inlineBytes } = await countAttachments(tx, message);
  if (count >= maxAttachments) throw new AppError("ATTACHMENT_LIMIT_REACHED");
  if (isInline && inlineBytes + blob.sizeBytes > maxInlineBytesOfMessage) {
    throw new AppError("PAYLOAD_TOO_LARGE");
  }
  await referenceBlob(tx, blob.id);
  const { conversationId } = message;
  const createdAt = call.app.now();
  const event = { type: "attachment.added" as const, conversationId, messageId, attachmentId: id };
  const seq = await appendConversationEntry(tx, wakes, { conversationId, at: createdAt, event });
  const row = {
    id,
    messageId,
    blobId: blob.id,
    isInline,
    contentType: attachment.contentType || null,
    filename: attachment.filename || null,
    sizeBytes: blob.sizeBytes,
    createdAt,
  };
  await insertAttachment(tx, message, { ...row, seq });
  return row;
}

function toAttached({ id, contentType, filename, sizeBytes, createdAt }: AttachmentRow): Attached {
  return { id, contentType, filename, sizeBytes, createdAt: createdAt.toISOString() };
}

/** An upload's bytes are the blob of the same id. */
function toBlobId(uploadId: AttachmentId): BlobId {
  const id: string = uploadId;
  return id as BlobId;
}

/** Holds the message's conversation, so that its deletion, a block, and the sender's leaving run in turn with this. */
async function lockOwnMessage(call: Call, tx: Tx, messageId: MessageId) {
  const { userId } = call.caller;
  const { conversationId } = await requireOwnMessage(tx, call, messageId);
  const conversation = await lockForMember(tx, conversationId, userId);
  if (!conversation) throw new AppError("MESSAGE_NOT_FOUND");
  if (conversation.archived_at) throw new AppError("GROUP_ARCHIVED");
  requireNoBlock(conversation, userId);
  // It may have been deleted while this waited for the lock.
  return requireVisibleMessage(tx, userId, messageId);
}

async function requireOwnMessage(db: Db | Tx, { caller }: Call, messageId: MessageId) {
  const message = await requireVisibleMessage(db, caller.userId, messageId);
  if (message.senderUserId !== caller.userId) throw new AppError("NOT_MESSAGE_SENDER");
  return message;
}

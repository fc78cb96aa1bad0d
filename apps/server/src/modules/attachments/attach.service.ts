import { maxAttachments, type AttachmentId, type MessageId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { isRepeated, transact, type Wakes } from "../../pipeline/transact.ts";
import { dropBlob, referenceBlob, storeBlob, type StoredBlob, type Upload } from "../blobs/blobs.service.ts";
import { lockForMember, requireNoBlock } from "../conversations/conversations.service.ts";
import { appendConversationEntry } from "../logs/logs.service.ts";
import { requireVisibleMessage } from "../messages/visible-messages.service.ts";
import { countAttachments, insertAttachment } from "./attachments.queries.ts";

/** So much of a message may be given as base64 in one answer. */
const maxInlineBytesOfMessage = 8 * 1_048_576;

export interface NewAttachment {
  messageId: MessageId;
  contentType?: string | null | undefined;
  filename?: string | null | undefined;
  isInline: boolean;
}

/** What is stored as the answer to an `Idempotency-Key`: without the bytes. */
export interface Attached {
  id: AttachmentId;
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
    return await transact(call, (tx, wakes) => attachBlob(call, tx, { attachment, blob, wakes }));
  } finally {
    await dropBlob(app, blob.id);
  }
}

async function attachBlob(
  call: Call,
  tx: Tx,
  { attachment, blob, wakes }: { attachment: NewAttachment; blob: StoredBlob; wakes: Wakes },
): Promise<Attached> {
  const { app } = call;
  const { messageId, isInline } = attachment;
  const message = await lockOwnMessage(call, tx, messageId);
  const { count, inlineBytes } = await countAttachments(tx, message);
  if (count >= maxAttachments) throw new AppError("ATTACHMENT_LIMIT_REACHED");
  if (isInline && inlineBytes + blob.sizeBytes > maxInlineBytesOfMessage) {
    throw new AppError("PAYLOAD_TOO_LARGE");
  }
  await referenceBlob(tx, blob.id);
  const { conversationId } = message;
  const id = app.newId<AttachmentId>();
  const createdAt = app.now();
  const event = { type: "attachment.added" as const, conversationId, messageId, attachmentId: id };
  const seq = await appendConversationEntry(tx, wakes, { conversationId, at: createdAt, event });
  await insertAttachment(tx, message, {
    id,
    messageId,
    seq,
    blobId: blob.id,
    isInline,
    contentType: attachment.contentType || null,
    filename: attachment.filename || null,
    sizeBytes: blob.sizeBytes,
    createdAt,
  });
  return { id, sizeBytes: blob.sizeBytes, createdAt: createdAt.toISOString() };
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

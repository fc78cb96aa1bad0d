import {
  maxAttachments,
  maxInlineAttachmentBytes,
  type Attachment,
  type AttachmentId,
  type ConversationId,
  type MessageId,
  type UserId,
} from "@sotto/schema";
import type { App } from "../../app.ts";
import type { Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call, DownloadAnswer, UploadCall } from "../../pipeline/call.ts";
import { openBlob, readBlob, releaseBlobs } from "../blobs/blobs.service.ts";
import { requireVisibleMessage } from "../messages/visible-messages.service.ts";
import { attach, attachUpload, type Description } from "./attach.service.ts";
import {
  deleteAttachments,
  findAttachment,
  listAttachments,
  type AttachmentRow,
  type MessagePlace,
} from "./attachments.queries.ts";
import { decodeBase64, maxDecodedBytes } from "./base64.ts";

/** Attaches a small ciphertext that stands in the request itself. */
export async function addAttachment(
  call: Call,
  input: Description & { ciphertextB64: string },
): Promise<Attachment> {
  const { ciphertextB64, ...description } = input;
  // Two characters of padding stand for no bytes.
  if (maxDecodedBytes(ciphertextB64) > maxInlineAttachmentBytes + 2) throw new AppError("PAYLOAD_TOO_LARGE");
  const bytes = decodeBase64(ciphertextB64);
  if (!bytes) throw refuseBase64();
  const body = (async function* () {
    yield bytes;
  })();
  const upload = { body, announcedBytes: bytes.length, maxBytes: maxInlineAttachmentBytes };
  const attached = await attach(call, { ...description, isInline: true }, upload);
  return {
    ...attached,
    messageId: input.messageId,
    ciphertextB64: bytes.toString("base64"),
    downloadUrl: null,
  };
}

/** Attaches the request's body, of any size up to `MAX_BLOB_BYTES`. */
export async function uploadAttachment(call: UploadCall, input: Description) {
  const { body } = call;
  const upload = { body, announcedBytes: body.announcedBytes };
  const { id } = await attach(call, { ...input, isInline: false }, upload);
  return { id, downloadUrl: pathOf(id) };
}

/** Attaches an upload that is complete. */
export async function attachUploaded(
  call: Call,
  input: Description & { uploadId: AttachmentId },
): Promise<Attachment> {
  const attached = await attachUpload(call, input);
  return {
    ...attached,
    messageId: input.messageId,
    ciphertextB64: "",
    downloadUrl: pathOf(attached.id),
  };
}

export async function getAttachments(
  call: Call,
  messageId: MessageId,
): Promise<{ attachments: Attachment[] }> {
  const { app, caller } = call;
  const { conversationId, seq } = await requireVisibleMessage(app.db, caller.userId, messageId);
  const range = { conversationId, afterSeq: seq - 1, throughSeq: seq };
  const attachments: Attachment[] = [];
  for await (const attachment of readAttachments(app, caller.userId, range)) attachments.push(attachment);
  return { attachments };
}

/** What a reader sees attached to messages with numbers in (after, through]; at most `maxAttachments` for each. */
export async function* readAttachments(
  app: App,
  reader: UserId,
  range: { conversationId: ConversationId; afterSeq: number; throughSeq: number },
): AsyncGenerator<Attachment, void> {
  const limit = (range.throughSeq - range.afterSeq) * maxAttachments;
  for (const row of await listAttachments(app.db, reader, { ...range, limit })) {
    yield toAttachment(row, row.isInline ? (await readBlob(app, row.blobId)).toString("base64") : "");
  }
}

export async function downloadAttachment(call: Call, id: AttachmentId): Promise<DownloadAnswer<never>> {
  const row = await findAttachment(call.app.db, call.caller.userId, id);
  if (!row) throw new AppError("ATTACHMENT_NOT_FOUND");
  const { contentType, filename } = row;
  const blob = await openBlob(call.app, row.blobId);
  return { kind: "bytes", contentType: contentType ?? "application/octet-stream", filename, ...blob };
}

/** For the deletion of a message, in its transaction. */
export async function deleteAttachmentsOf(app: App, tx: Tx, message: MessagePlace): Promise<void> {
  await releaseBlobs(app, tx, await deleteAttachments(tx, message));
}

function toAttachment(row: AttachmentRow, ciphertextB64: string): Attachment {
  const { id, messageId, contentType, filename, sizeBytes, isInline } = row;
  return {
    id,
    messageId,
    contentType,
    filename,
    sizeBytes,
    ciphertextB64,
    createdAt: row.createdAt.toISOString(),
    downloadUrl: isInline ? null : pathOf(id),
  };
}

function pathOf(id: AttachmentId): string {
  return `/messages/attachments/blob/${id}`;
}

function refuseBase64(): AppError {
  return new AppError("VALIDATION_FAILED", {
    issues: [{ loc: ["ciphertextB64"], msg: "No base64", type: "invalid_format" }],
  });
}

import type { AttachmentId, UploadState } from "@sotto/schema";
import { transact } from "../../pipeline/transact.ts";
import type { Call, UploadCall } from "../../pipeline/call.ts";
import {
  appendToUpload,
  beginUpload,
  cancelUpload,
  getUpload,
  type BlobUpload,
} from "../blobs/blob-uploads.service.ts";
import type { BlobId } from "../blobs/blobs.tables.ts";

interface NewUpload {
  uploadId?: AttachmentId | undefined;
  sizeBytes: number;
  sha256?: string | undefined;
}

/** Begins an upload. Again with the same id and size: gives how far it has come. */
export async function create(call: Call, input: NewUpload): Promise<UploadState> {
  const { app, caller } = call;
  const id = toBlobId(input.uploadId ?? app.newId<AttachmentId>());
  const sha256 = input.sha256 === undefined ? null : Buffer.from(input.sha256, "hex");
  const { sizeBytes } = input;
  return transact(call, async (tx) =>
    toState(await beginUpload(app, tx, { id, userId: caller.userId, sizeBytes, sha256 })),
  );
}

export async function get(call: Call, { uploadId }: { uploadId: AttachmentId }): Promise<UploadState> {
  return toState(await getUpload(call.app, ownedBy(call, uploadId)));
}

export async function append(
  call: UploadCall,
  { uploadId, offset }: { uploadId: AttachmentId; offset: number },
): Promise<UploadState> {
  const { app, body } = call;
  return toState(await appendToUpload(app, { ...ownedBy(call, uploadId), offset, body }));
}

export async function cancel(call: Call, { uploadId }: { uploadId: AttachmentId }) {
  await cancelUpload(call.app, ownedBy(call, uploadId));
  return { detail: "ok" as const };
}

function ownedBy({ caller }: Call, uploadId: AttachmentId) {
  return { id: toBlobId(uploadId), userId: caller.userId };
}

/** An upload's bytes are the blob of the same id. */
function toBlobId(uploadId: AttachmentId): BlobId {
  const id: string = uploadId;
  return id as BlobId;
}

function toState({ id, sizeBytes, offset, isWhole, pieceBytes, collectAt }: BlobUpload): UploadState {
  const uploadId: string = id;
  return {
    uploadId: uploadId as AttachmentId,
    offset,
    sizeBytes,
    isComplete: isWhole,
    pieceBytes,
    expiresAt: collectAt?.toISOString() ?? null,
  };
}

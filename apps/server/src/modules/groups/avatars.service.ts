import { maxAvatarBytes, type ConversationId } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { Call, DownloadAnswer, UploadCall } from "../../pipeline/call.ts";
import { dropBlob, openBlob, referenceBlob, releaseBlobs, storeBlob } from "../blobs/blobs.service.ts";
import type { BlobId } from "../blobs/blobs.tables.ts";
import { requireMemberOf } from "./group-access.service.ts";
import { appendChange, changeGroup, type LockedGroup } from "./group-changes.service.ts";
import { requireOwner } from "./group-rules.ts";
import { findGroup, updateGroup } from "./groups.queries.ts";
import { findImageType } from "./image-type.ts";

interface Avatar {
  avatar_url: string | null;
  avatar_blob_id: BlobId | null;
  avatar_type: string | null;
}

export async function setAvatarUrl(call: Call, input: { conversationId: ConversationId; url: string }) {
  return changeGroup(call, input.conversationId, async (group) => {
    requireOwner(group.role);
    if (group.avatarUrl === input.url) return;
    await setAvatar(group, { avatar_url: input.url, avatar_blob_id: null, avatar_type: null });
  });
}

/** Keeps the image, once it is whole, in the place of the avatar before. */
export async function uploadAvatar(call: UploadCall, conversationId: ConversationId) {
  const { app, caller } = call;
  // Nothing is stored for whoever may not.
  requireOwner(await requireMemberOf(app.db, conversationId, caller.userId));
  const image = await readImage(call);
  const blob = await storeBlob(app, { userId: caller.userId, body: inOnePiece(image.bytes) });
  try {
    return await changeGroup(call, conversationId, async (group) => {
      requireOwner(group.role);
      await referenceBlob(group.tx, blob.id);
      await setAvatar(group, { avatar_url: null, avatar_blob_id: blob.id, avatar_type: image.type });
    });
  } catch (error) {
    await dropBlob(app, blob.id);
    throw error;
  }
}

async function setAvatar(group: LockedGroup, avatar: Avatar): Promise<void> {
  const { call, tx, id, avatarBlobId } = group;
  await updateGroup(tx, id, avatar);
  if (avatarBlobId) await releaseBlobs(call.app, tx, [avatarBlobId]);
  await appendChange(group, { action: "avatar_changed" });
}

/** Small enough to be held whole; so nothing is stored of what is no image. */
async function readImage({ body }: UploadCall): Promise<{ bytes: Buffer; type: string }> {
  if ((body.announcedBytes ?? 0) > maxAvatarBytes) throw new AppError("PAYLOAD_TOO_LARGE");
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > maxAvatarBytes) throw new AppError("PAYLOAD_TOO_LARGE");
    parts.push(part);
  }
  if (length === 0) throw new AppError("BODY_EMPTY");
  const bytes = Buffer.concat(parts);
  const type = findImageType(bytes);
  if (!type) throw new AppError("MEDIA_TYPE_UNSUPPORTED");
  return { bytes, type };
}

async function* inOnePiece(bytes: Buffer): AsyncGenerator<Buffer, void> {
  yield bytes;
}

export async function getAvatar(
  call: Call,
  conversationId: ConversationId,
): Promise<DownloadAnswer<{ url: string }>> {
  const { app, caller } = call;
  await requireMemberOf(app.db, conversationId, caller.userId);
  const group = await findGroup(app.db, conversationId);
  if (group?.avatar_url) return { kind: "json", value: { url: group.avatar_url } };
  if (!group?.avatar_blob_id || !group.avatar_type) throw new AppError("AVATAR_NOT_FOUND");
  const blob = await openBlob(app, group.avatar_blob_id);
  return { kind: "bytes", contentType: group.avatar_type, filename: null, ...blob };
}

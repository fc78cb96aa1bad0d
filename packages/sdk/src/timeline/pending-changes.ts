import type { Me } from "../identity/account.ts";
import type { Unplaced } from "../messages/outgoing-queue.ts";
import { type Overlay, emptyOverlay, mergeOverlays } from "./overlay.ts";
import type { StoredMessage } from "./records.ts";

/** What this device has done to a message, and the log does not show yet: shown at once. */
export function withPending(message: StoredMessage, unplaced: readonly Unplaced[], me: Me): StoredMessage {
  const { clientMessageId, senderUserId } = message;
  if (clientMessageId === null || message.content.kind === "deleted") return message;
  const changes = unplaced.flatMap((one) => {
    if (one.message.state === "failed") return [];
    const change = changeOf(one, { clientMessageId, senderUserId, me });
    return change ? [change] : [];
  });
  if (changes.length === 0) return message;
  const overlay = changes.reduce(mergeOverlays, message.overlay);
  return overlay.deletion ? { ...message, content: { kind: "deleted" }, overlay } : { ...message, overlay };
}

function changeOf(
  { clientMessageId: by, message: { payload } }: Unplaced,
  target: { clientMessageId: string; senderUserId: string; me: Me },
): Overlay | undefined {
  const { me } = target;
  const isOwn = target.senderUserId === me.userId;
  switch (payload.kind) {
    case "edit":
      if (!isOwn || payload.target !== target.clientMessageId) return undefined;
      return { ...emptyOverlay, edit: { text: payload.text, sentAtMs: payload.sentAtMs, by } };
    case "deletion":
      if (!isOwn || payload.target !== target.clientMessageId) return undefined;
      return { ...emptyOverlay, deletion: { by: "author", userId: me.userId } };
    case "reaction": {
      const { senderUserId, clientMessageId } = payload.target;
      if (senderUserId !== target.senderUserId || clientMessageId !== target.clientMessageId)
        return undefined;
      const { emoji, isRemoved, sentAtMs } = payload;
      return { ...emptyOverlay, reactions: [{ userId: me.userId, emoji, isRemoved, sentAtMs, by }] };
    }
    default:
      return undefined;
  }
}

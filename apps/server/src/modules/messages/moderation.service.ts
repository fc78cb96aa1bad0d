import type { MessageId } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { deleteAttachmentsOf } from "../attachments/attachments.service.ts";
import { recordAct } from "../audit/audit.service.ts";
import { requireModeratorOf } from "../groups/group-access.service.ts";
import { lockForMember } from "../conversations/conversations.service.ts";
import { appendConversationEntry } from "../logs/logs.service.ts";
import { deleteReactionsTo } from "../reactions/reactions.service.ts";
import { eraseMessage, findVisibleMessage } from "./messages.queries.ts";

/**
 * Deletes a group's message: what it says, and what was put on it. Its place in the log then says
 * that it was deleted, and one more entry tells those who have it. Again: nothing happens.
 */
export async function deleteMessage(call: Call, messageId: MessageId): Promise<{ detail: "ok" }> {
  const { userId } = call.caller;
  const at = call.app.now();
  return transact(call, async (tx, wakes) => {
    const found = await findVisibleMessage(tx, userId, messageId);
    if (!found) throw new AppError("MESSAGE_NOT_FOUND");
    if (!found.isGroup) throw new AppError("NOT_A_GROUP_MESSAGE");
    const { conversationId, seq } = found;
    if (!(await lockForMember(tx, conversationId, userId))) throw new AppError("MESSAGE_NOT_FOUND");
    await requireModeratorOf(tx, conversationId, userId);
    // Another may have deleted it while this waited for the lock.
    const message = await findVisibleMessage(tx, userId, messageId);
    if (!message || message.isDeleted) return { detail: "ok" as const };
    await eraseMessage(tx, { conversationId, seq, deletedBy: userId, at });
    await deleteReactionsTo(tx, { conversationId, messageId });
    await deleteAttachmentsOf(call.app, tx, { conversationId, seq });
    await recordAct(call, tx, {
      conversationId,
      action: "message_deleted",
      targets: [message.senderUserId],
      messageId,
    });
    const event = { type: "message.deleted" as const, conversationId, messageId, userId };
    await appendConversationEntry(tx, wakes, { conversationId, at, event });
    return { detail: "ok" as const };
  });
}

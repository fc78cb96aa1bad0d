import type { AuditAction, AuditRow, ConversationId, MessageId, UserId } from "@sotto/schema";
import type { Tx } from "../../db/db.ts";
import type { Call } from "../../pipeline/call.ts";
import { requireModeratorOf } from "../groups/group-access.service.ts";
import { insertAuditRows, listAuditRows } from "./audit.queries.ts";

interface Act {
  conversationId: ConversationId;
  action: AuditAction;
  /** Whom it was done to: one row for each, or one row for nobody. */
  targets?: UserId[];
  messageId?: MessageId;
}

/** Notes what the caller did to a group, in the transaction that does it. */
export async function recordAct(call: Call, tx: Tx, act: Act): Promise<void> {
  const { app, caller } = call;
  const at = app.now();
  const targets = act.targets?.length ? act.targets : [null];
  // Ids of one millisecond come in no order.
  const ids = targets.map(() => app.newId<string>()).toSorted();
  await insertAuditRows(
    tx,
    targets.map((target_user_id, i) => ({
      id: ids[i] ?? app.newId(),
      conversation_id: act.conversationId,
      action: act.action,
      actor_user_id: caller.userId,
      target_user_id,
      message_id: act.messageId ?? null,
      created_at: at,
    })),
  );
}

/** A page of what was done to a group, for its owner and admins. */
export async function getAudit(
  call: Call,
  page: { conversationId: ConversationId; before?: string | null | undefined; limit: number },
): Promise<{ entries: AuditRow[] }> {
  const { conversationId, before, limit } = page;
  await requireModeratorOf(call.app.db, conversationId, call.caller.userId);
  const rows = await listAuditRows(call.app.db, { conversationId, before: before ?? undefined, limit });
  return {
    entries: rows.map((row) => ({
      id: row.id,
      conversationId: row.conversation_id,
      action: row.action,
      actorUserId: row.actor_user_id,
      targetUserId: row.target_user_id,
      messageId: row.message_id,
      createdAt: row.created_at.toISOString(),
    })),
  };
}

import type { AuditAction, ConversationId, MessageId, UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";

export interface NewAuditRow {
  id: string;
  conversation_id: ConversationId;
  action: AuditAction;
  actor_user_id: UserId;
  target_user_id: UserId | null;
  message_id: MessageId | null;
  created_at: Date;
}

export async function insertAuditRows(tx: Tx, rows: NewAuditRow[]): Promise<void> {
  await tx.insertInto("audit_rows").values(rows).execute();
}

/** The newest rows of a group, older than the row `before`. */
export function listAuditRows(
  db: Db | Tx,
  page: { conversationId: ConversationId; before: string | undefined; limit: number },
) {
  let query = db
    .selectFrom("audit_rows")
    .select([
      "id",
      "conversation_id",
      "action",
      "actor_user_id",
      "target_user_id",
      "message_id",
      "created_at",
    ])
    .where("conversation_id", "=", page.conversationId)
    .orderBy("id", "desc")
    .limit(page.limit);
  if (page.before !== undefined) query = query.where("id", "<", page.before);
  return query.execute();
}

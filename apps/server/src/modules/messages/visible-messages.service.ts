import type { MessageId, UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import { findVisibleMessage, type VisibleMessage } from "./messages.queries.ts";

/** A message that the user sees and that was not deleted. Throws `MESSAGE_NOT_FOUND`. */
export async function requireVisibleMessage(
  db: Db | Tx,
  userId: UserId,
  id: MessageId,
): Promise<VisibleMessage> {
  const message = await findVisibleMessage(db, userId, id);
  if (!message || message.isDeleted) throw new AppError("MESSAGE_NOT_FOUND");
  return message;
}

import type { ConversationId, GroupRole, UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import { requireModerator } from "./group-rules.ts";
import { findRole, lockGroup } from "./groups.queries.ts";

/** The member's role. Throws `GROUP_NOT_FOUND` for whoever is no member at present. */
export async function requireMemberOf(
  db: Db | Tx,
  conversationId: ConversationId,
  userId: UserId,
): Promise<GroupRole> {
  const role = await findRole(db, conversationId, userId);
  if (!role) throw new AppError("GROUP_NOT_FOUND");
  return role;
}

/** Throws `ONLY_MODERATORS` for a member without the role, `GROUP_NOT_FOUND` for whoever is no member. */
export async function requireModeratorOf(
  db: Db | Tx,
  conversationId: ConversationId,
  userId: UserId,
): Promise<void> {
  requireModerator(await requireMemberOf(db, conversationId, userId));
}

/**
 * The group under its row's lock, with the member's role in it: members and roles stay as they are
 * until the transaction ends. Throws `GROUP_NOT_FOUND` for whoever is no member.
 */
export async function lockGroupOf(tx: Tx, conversationId: ConversationId, userId: UserId) {
  const group = await lockGroup(tx, conversationId);
  if (!group) throw new AppError("GROUP_NOT_FOUND");
  return { ...group, role: await requireMemberOf(tx, conversationId, userId) };
}

import type { ConversationId, UserId } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { appendChange, changeGroup } from "./group-changes.service.ts";
import { parseGivenRole, requireMayChangeRole, requireOwner } from "./group-rules.ts";
import { findRole, updateGroup, updateRole } from "./groups.queries.ts";

export async function setRole(
  call: Call,
  input: { conversationId: ConversationId; userId: UserId; role: string },
) {
  const { userId } = input;
  return changeGroup(call, input.conversationId, async (group) => {
    requireOwner(group.role);
    const role = parseGivenRole(input.role);
    const present = await findRole(group.tx, group.id, userId);
    requireMayChangeRole(group.role, present);
    if (present === role) return;
    await updateRole(group.tx, { conversationId: group.id, userId, role });
    await appendChange(group, { action: "role_changed", userIds: [userId], role });
  });
}

/** The owner becomes an admin before the other becomes the owner: there are never two. */
export async function transferOwnership(
  call: Call,
  input: { conversationId: ConversationId; newOwnerUserId: UserId },
) {
  const { newOwnerUserId } = input;
  return changeGroup(call, input.conversationId, async (group) => {
    requireOwner(group.role);
    if (newOwnerUserId === call.caller.userId) return;
    const { tx, id } = group;
    if (!(await findRole(tx, id, newOwnerUserId))) throw new AppError("MEMBER_NOT_FOUND");
    await updateRole(tx, { conversationId: id, userId: call.caller.userId, role: "admin" });
    await updateRole(tx, { conversationId: id, userId: newOwnerUserId, role: "owner" });
    await updateGroup(tx, id, { user_a: newOwnerUserId, user_b: newOwnerUserId });
    await appendChange(group, { action: "ownership_transferred", userIds: [newOwnerUserId] });
  });
}

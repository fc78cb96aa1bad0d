import { maxGroupMembers, type ConversationId, type UserId } from "@sotto/schema";
import type { Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { holdUsers } from "../accounts/users.service.ts";
import { findBlocksBetween } from "../blocks/blocks.service.ts";
import { appendChange, changeGroup, lockAs, type LockedGroup } from "./group-changes.service.ts";
import { requireMayLeave, requireMayRemove, requireModerator } from "./group-rules.ts";
import {
  countMembers,
  endMembership,
  findPresent,
  findRole,
  insertMembers,
  lockGroup,
  updateGroup,
} from "./groups.queries.ts";

/**
 * The users that the actor adds, each once and without the actor, with their devices and blocks held
 * still. Taken before the group's lock. Throws `USER_NOT_FOUND` when one does not exist.
 */
export async function holdAddable(tx: Tx, actor: UserId, userIds: UserId[]): Promise<UserId[]> {
  const others = [...new Set(userIds)].filter((userId) => userId !== actor);
  const held = new Set(await holdUsers(tx, [actor, ...others]));
  if (others.some((userId) => !held.has(userId))) throw new AppError("USER_NOT_FOUND");
  return others;
}

/** Nobody is added across a block, whoever of the two made it; holds for users that are held. */
export async function requireNoBlocks(tx: Tx, actor: UserId, userIds: UserId[]): Promise<void> {
  const blocked = await findBlocksBetween(tx, actor, userIds);
  if (blocked.length > 0) throw new AppError("MEMBER_BLOCKED");
}

export function requireRoom(present: number, joining: number): void {
  if (present + joining > maxGroupMembers) throw new AppError("GROUP_FULL");
}

/** Adds users; who is in already stays as they are. */
export async function addMembers(
  call: Call,
  input: { conversationId: ConversationId; memberUserIds: UserId[] },
) {
  return transact(call, async (tx, wakes) => {
    // Whoever may not add is told so, whomever they name.
    const role = await findRole(tx, input.conversationId, call.caller.userId);
    if (!role) throw new AppError("GROUP_NOT_FOUND");
    requireModerator(role);
    const others = await holdAddable(tx, call.caller.userId, input.memberUserIds);
    const group = await lockAs(call, { tx, wakes }, input.conversationId);
    requireModerator(group.role);
    if (group.isArchived) throw new AppError("GROUP_ARCHIVED");
    const joining = await listAbsent(tx, group.id, others);
    await requireNoBlocks(tx, call.caller.userId, joining);
    await join(group, joining, "members_added");
    return { detail: "ok" as const };
  });
}

async function listAbsent(tx: Tx, id: ConversationId, userIds: UserId[]): Promise<UserId[]> {
  const present = await findPresent(tx, id, userIds);
  return userIds.filter((userId) => !present.has(userId));
}

/** Lets users who are no members into a locked group. They see from this change's own entry on. */
async function join(
  group: Pick<LockedGroup, "call" | "tx" | "wakes" | "id">,
  userIds: UserId[],
  action: "members_added" | "member_joined",
): Promise<void> {
  const { tx, id } = group;
  if (userIds.length === 0) return;
  requireRoom(await countMembers(tx, id), userIds.length);
  const seq = await appendChange(group, { action, userIds });
  await insertMembers(tx, {
    conversationId: id,
    userIds,
    role: "member",
    fromSeq: seq - 1,
    at: group.call.app.now(),
  });
}

/**
 * Lets the caller in by their own act. `take` runs under the group's lock, and only for whoever was
 * no member: it uses up what lets them in, or throws.
 */
export async function admit(
  joining: Pick<LockedGroup, "call" | "tx" | "wakes" | "id">,
  take: () => Promise<void>,
): Promise<void> {
  const { call, tx, id } = joining;
  const { userId } = call.caller;
  await holdUsers(tx, [userId]);
  const group = await lockGroup(tx, id);
  if (!group) throw new AppError("GROUP_NOT_FOUND");
  if (await findRole(tx, id, userId)) return;
  if (group.archived_at) throw new AppError("GROUP_ARCHIVED");
  await take();
  await join(joining, [userId], "member_joined");
}

/** Removes a member, who sees the removal as the last entry. Whoever names themselves leaves. */
export async function removeMember(call: Call, input: { conversationId: ConversationId; userId: UserId }) {
  const { userId } = input;
  return changeGroup(call, input.conversationId, async (group) => {
    if (userId === call.caller.userId) return depart(group);
    requireMayRemove(group.role, await findRole(group.tx, group.id, userId));
    await end(group, userId, "member_removed");
  });
}

export async function leaveGroup(call: Call, conversationId: ConversationId) {
  return changeGroup(call, conversationId, depart);
}

/** The last one out archives the group: nobody could take it up again. */
async function depart(group: LockedGroup): Promise<void> {
  const { call, tx, id, role } = group;
  const count = await countMembers(tx, id);
  requireMayLeave(role, count);
  await end(group, call.caller.userId, "member_left");
  if (count === 1 && !group.isArchived) await updateGroup(tx, id, { archived_at: call.app.now() });
}

async function end(
  group: LockedGroup,
  userId: UserId,
  action: "member_left" | "member_removed",
): Promise<void> {
  const toSeq = await appendChange(group, { action, userIds: [userId] });
  await endMembership(group.tx, { conversationId: group.id, userId, toSeq });
}

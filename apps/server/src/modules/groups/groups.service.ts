import type { ConversationId, Group, GroupSummary, UserId } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { requireMemberOf } from "./group-access.service.ts";
import { appendChange, changeGroup } from "./group-changes.service.ts";
import { requireOwner } from "./group-rules.ts";
import {
  findGroup,
  insertGroup,
  insertMembers,
  listGroups,
  listMembers,
  updateGroup,
} from "./groups.queries.ts";
import { holdAddable, requireNoBlocks, requireRoom } from "./members.service.ts";

/** Makes a group with the caller as its owner. Whoever is named twice, and the caller, is in it once. */
export async function createGroup(
  call: Call,
  input: { name: string; memberUserIds?: UserId[] | null | undefined },
): Promise<{ id: ConversationId; name: string }> {
  const { app, caller } = call;
  const { name } = input;
  return transact(call, async (tx, wakes) => {
    const others = await holdAddable(tx, caller.userId, input.memberUserIds ?? []);
    await requireNoBlocks(tx, caller.userId, others);
    requireRoom(0, 1 + others.length);
    const at = app.now();
    const id = app.newId<ConversationId>();
    await insertGroup(tx, { id, name, owner: caller.userId, at });
    const group = { call, tx, wakes, id };
    const seq = await appendChange(group, { action: "created", userIds: others, name });
    const joining = { conversationId: id, fromSeq: seq - 1, at };
    await insertMembers(tx, { ...joining, userIds: [caller.userId], role: "owner" });
    if (others.length > 0) await insertMembers(tx, { ...joining, userIds: others, role: "member" });
    return { id, name };
  });
}

export async function getGroups(call: Call): Promise<GroupSummary[]> {
  const rows = await listGroups(call.app.db, call.caller.userId);
  return rows.map((row) => ({
    id: row.id,
    name: row.name ?? "",
    memberCount: row.member_count ?? 0,
    lastMessageAt: row.last_message_at?.toISOString() ?? null,
    role: row.role,
    archived: row.archived_at !== null,
  }));
}

/** A group and its members, of one moment. */
export async function getGroup(call: Call, conversationId: ConversationId): Promise<Group> {
  const { app, caller } = call;
  return app.db
    .transaction()
    .setIsolationLevel("repeatable read")
    .setAccessMode("read only")
    .execute(async (tx) => {
      await requireMemberOf(tx, conversationId, caller.userId);
      const group = await findGroup(tx, conversationId);
      if (!group) throw new AppError("GROUP_NOT_FOUND");
      const members = await listMembers(tx, conversationId);
      return {
        id: group.id,
        name: group.name ?? "",
        ownerUserId: group.user_a,
        archived: group.archived_at !== null,
        members: members.map((member) => ({
          userId: member.user_id,
          role: member.role,
          joinedAt: member.joined_at.toISOString(),
        })),
      };
    });
}

export async function renameGroup(call: Call, input: { conversationId: ConversationId; name: string }) {
  const { name } = input;
  return changeGroup(call, input.conversationId, async (group) => {
    requireOwner(group.role);
    if (group.name === name) return;
    await updateGroup(group.tx, group.id, { name });
    await appendChange(group, { action: "renamed", name });
  });
}

/** An archived group takes neither messages nor members. */
export async function archiveGroup(call: Call, input: { conversationId: ConversationId; archived: boolean }) {
  const { archived } = input;
  return changeGroup(call, input.conversationId, async (group) => {
    requireOwner(group.role);
    if (group.isArchived === archived) return;
    await updateGroup(group.tx, group.id, { archived_at: archived ? call.app.now() : null });
    await appendChange(group, { action: archived ? "archived" : "unarchived" });
  });
}

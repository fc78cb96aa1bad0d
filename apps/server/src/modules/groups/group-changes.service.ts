import type { AuditAction, ConversationId, GroupAction, GroupRole, UserId } from "@sotto/schema";
import type { Tx } from "../../db/db.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact, type Wakes } from "../../pipeline/transact.ts";
import type { BlobId } from "../blobs/blobs.tables.ts";
import { recordAct } from "../audit/audit.service.ts";
import { appendConversationEntry } from "../logs/logs.service.ts";
import { lockGroupOf } from "./group-access.service.ts";

/** A group under its row's lock, in the transaction that changes it. */
export interface LockedGroup {
  call: Call;
  tx: Tx;
  wakes: Wakes;
  id: ConversationId;
  name: string | null;
  ownerUserId: UserId;
  isArchived: boolean;
  avatarUrl: string | null;
  avatarBlobId: BlobId | null;
  /** The caller's own. */
  role: GroupRole;
}

/** Runs a change of a group that the caller is a member of, with its members and roles held still. */
export async function changeGroup(
  call: Call,
  conversationId: ConversationId,
  change: (group: LockedGroup) => Promise<void>,
): Promise<{ detail: "ok" }> {
  return transact(call, async (tx, wakes) => {
    await change(await lockAs(call, { tx, wakes }, conversationId));
    return { detail: "ok" as const };
  });
}

export async function lockAs(
  call: Call,
  { tx, wakes }: { tx: Tx; wakes: Wakes },
  conversationId: ConversationId,
): Promise<LockedGroup> {
  const row = await lockGroupOf(tx, conversationId, call.caller.userId);
  return {
    call,
    tx,
    wakes,
    id: conversationId,
    name: row.name,
    ownerUserId: row.user_a,
    isArchived: row.archived_at !== null,
    avatarUrl: row.avatar_url,
    avatarBlobId: row.avatar_blob_id,
    role: row.role,
  };
}

export interface GroupChange {
  action: GroupAction;
  /** Whom it is done to. */
  userIds?: UserId[];
  name?: string;
  role?: "admin" | "member";
}

/** What of the changes is a moderator's act. */
const audited: Partial<Record<GroupAction, AuditAction>> = {
  renamed: "group_renamed",
  members_added: "member_added",
  member_removed: "member_removed",
  role_changed: "role_changed",
  ownership_transferred: "ownership_transferred",
  archived: "group_archived",
  unarchived: "group_unarchived",
  avatar_changed: "avatar_changed",
};

const joins = new Set<GroupAction>(["created", "members_added", "member_joined"]);
const leaves = new Set<GroupAction>(["member_left", "member_removed"]);

/**
 * Appends the change's one entry, and its audit rows where it is a moderator's act. Gives the
 * entry's number: whoever joins with it sees from the one before on, whoever leaves up to it.
 */
export async function appendChange(
  group: Pick<LockedGroup, "call" | "tx" | "wakes" | "id">,
  change: GroupChange,
): Promise<number> {
  const { call, tx, wakes, id } = group;
  const { action, userIds = [] } = change;
  const isLeaving = leaves.has(action);
  const seq = await appendConversationEntry(tx, wakes, {
    conversationId: id,
    at: call.app.now(),
    event: { type: "group.changed", conversationId: id, actorUserId: call.caller.userId, ...change },
    ...(isLeaving || joins.has(action) ? { roster: { left: isLeaving ? userIds : [] } } : {}),
  });
  const act = audited[action];
  if (act) await recordAct(call, tx, { conversationId: id, action: act, targets: userIds });
  return seq;
}

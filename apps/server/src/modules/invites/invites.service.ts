import { randomBytes } from "node:crypto";
import { maxLiveInvites, type ConversationId, type Invite } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { Call, Caller } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { recordAct } from "../audit/audit.service.ts";
import { lockGroupOf, requireModeratorOf } from "../groups/group-access.service.ts";
import { requireModerator } from "../groups/group-rules.ts";
import { admit } from "../groups/members.service.ts";
import {
  deleteExpiredInvites,
  deleteInvite,
  findInvite,
  insertInvite,
  listLiveInvites,
  takeUse,
} from "./invites.queries.ts";

const codeBytes = 24;
const minuteMs = 60_000;
/** So long an expired invite says that it has expired; then it is unknown. */
const keepExpiredMs = 30 * 86_400_000;

export async function createInvite(
  call: Call,
  input: {
    conversationId: ConversationId;
    expiresInMinutes?: number | null | undefined;
    maxUses?: number | null | undefined;
  },
) {
  const { app, caller } = call;
  const { conversationId, expiresInMinutes } = input;
  return transact(call, async (tx) => {
    const group = await lockGroupOf(tx, conversationId, caller.userId);
    requireModerator(group.role);
    if (group.archived_at) throw new AppError("GROUP_ARCHIVED");
    const at = app.now();
    await deleteExpiredInvites(tx, conversationId, new Date(at.getTime() - keepExpiredMs));
    const live = await listLiveInvites(tx, conversationId, { now: at, limit: maxLiveInvites });
    if (live.length >= maxLiveInvites) throw new AppError("INVITE_LIMIT_REACHED");
    const code = randomBytes(codeBytes).toString("base64url");
    const expiresAt = expiresInMinutes ? new Date(at.getTime() + expiresInMinutes * minuteMs) : null;
    const maxUses = input.maxUses ?? 0;
    await insertInvite(tx, { conversationId, code, createdBy: caller.userId, at, expiresAt, maxUses });
    await recordAct(call, tx, { conversationId, action: "invite_created" });
    return { code, expiresAt: expiresAt?.toISOString() ?? null, maxUses };
  });
}

export async function getInvites(call: Call, conversationId: ConversationId): Promise<Invite[]> {
  const { db, now } = call.app;
  await requireModeratorOf(db, conversationId, call.caller.userId);
  const rows = await listLiveInvites(db, conversationId, { now: now(), limit: maxLiveInvites });
  return rows.map((row) => ({
    code: row.code,
    createdByUserId: row.created_by,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at?.toISOString() ?? null,
    maxUses: row.max_uses,
    uses: row.uses,
  }));
}

export async function revokeInvite(call: Call, input: { conversationId: ConversationId; code: string }) {
  const { conversationId, code } = input;
  return transact(call, async (tx) => {
    requireModerator((await lockGroupOf(tx, conversationId, call.caller.userId)).role);
    if (!(await deleteInvite(tx, conversationId, code))) throw new AppError("INVITE_NOT_FOUND");
    await recordAct(call, tx, { conversationId, action: "invite_revoked" });
    return { detail: "ok" as const };
  });
}

/** What anybody who has the code may know of the group. */
export async function previewInvite(call: Call<Caller | null>, code: string) {
  const { app } = call;
  const invite = requireLive(await findInvite(app.db, code), app.now());
  return {
    conversationId: invite.conversation_id,
    name: invite.name ?? "",
    remaining: invite.max_uses === 0 ? null : invite.max_uses - invite.uses,
  };
}

/** Joins the caller. A member's accepting again uses nothing up, and works when nothing is left. */
export async function acceptInvite(call: Call, code: string) {
  const { app } = call;
  return transact(call, async (tx, wakes) => {
    const invite = requireLive(await findInvite(tx, code), app.now());
    const conversationId = invite.conversation_id;
    await admit({ call, tx, wakes, id: conversationId }, async () => {
      // The group is locked: the invite was not revoked meanwhile if its row is still there.
      requireLive(await findInvite(tx, code), app.now());
      if (!(await takeUse(tx, conversationId, code))) throw new AppError("INVITE_EXHAUSTED");
    });
    return { detail: "ok" as const, conversationId };
  });
}

function requireLive<I extends { expires_at: Date | null }>(invite: I | undefined, now: Date): I {
  if (!invite) throw new AppError("INVITE_NOT_FOUND");
  if (invite.expires_at && invite.expires_at <= now) throw new AppError("INVITE_EXPIRED");
  return invite;
}

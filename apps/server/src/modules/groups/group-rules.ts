import type { GroupRole } from "@sotto/schema";
import { AppError } from "../../errors.ts";

export function requireOwner(role: GroupRole): void {
  if (role !== "owner") throw new AppError("ONLY_OWNER");
}

export function requireModerator(role: GroupRole): void {
  if (role === "member") throw new AppError("ONLY_MODERATORS");
}

/** The owner removes anybody, an admin members only. Whoever removes themselves leaves. */
export function requireMayRemove(actor: GroupRole, target: GroupRole | undefined): void {
  requireModerator(actor);
  if (target === undefined) throw new AppError("MEMBER_NOT_FOUND");
  if (actor === "admin" && target !== "member") throw new AppError("MEMBER_PROTECTED");
}

/** A group with members has an owner. */
export function requireMayLeave(role: GroupRole, memberCount: number): void {
  if (role === "owner" && memberCount > 1) throw new AppError("OWNER_MUST_TRANSFER");
}

/** The role that a member is to have. There is one owner, so ownership is transferred and not given. */
export function parseGivenRole(role: string): "admin" | "member" {
  if (role !== "admin" && role !== "member") throw new AppError("ROLE_INVALID");
  return role;
}

export function requireMayChangeRole(
  actor: GroupRole,
  target: GroupRole | undefined,
): asserts target is "admin" | "member" {
  requireOwner(actor);
  if (target === undefined) throw new AppError("MEMBER_NOT_FOUND");
  if (target === "owner") throw new AppError("OWNER_MUST_TRANSFER");
}

import * as invites from "../domains/invites.ts";
import { ok } from "../primitives.ts";
import type { Procedures } from "../procedure.ts";

export const invitesProcedures = {
  create: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Make an invite to a group (owner or admin)",
    ...invites.create,
    creates: true,
    rest: {
      method: "POST",
      path: "/groups/{conversation_id}/invites",
      alsoQuery: ["expires_in_minutes", "max_uses"],
    },
    errors: ["GROUP_NOT_FOUND", "ONLY_MODERATORS", "GROUP_ARCHIVED", "INVITE_LIMIT_REACHED"],
  },
  list: {
    kind: "query",
    access: "user",
    limit: "general",
    summary: "The invites of a group that have not expired, newest first (owner or admin)",
    ...invites.list,
    rest: { method: "GET", path: "/groups/{conversation_id}/invites" },
    errors: ["GROUP_NOT_FOUND", "ONLY_MODERATORS"],
  },
  revoke: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Revoke an invite (owner or admin)",
    ...invites.revoke,
    output: ok,
    rest: { method: "DELETE", path: "/groups/{conversation_id}/invites/{code}" },
    errors: ["GROUP_NOT_FOUND", "ONLY_MODERATORS", "INVITE_NOT_FOUND"],
  },
  preview: {
    kind: "query",
    access: "public",
    limit: "general",
    summary: "Which group an invite leads to",
    ...invites.preview,
    rest: { method: "GET", path: "/groups/invites/{code}" },
    errors: ["INVITE_NOT_FOUND", "INVITE_EXPIRED"],
  },
  accept: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Join a group by an invite; a member uses nothing up",
    ...invites.accept,
    creates: true,
    rest: { method: "POST", path: "/groups/invites/{code}/accept" },
    errors: ["INVITE_NOT_FOUND", "INVITE_EXPIRED", "INVITE_EXHAUSTED", "GROUP_FULL", "GROUP_ARCHIVED"],
  },
} as const satisfies Procedures;

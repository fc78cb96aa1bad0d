import * as z from "zod";
import { conversationId, messageId, time, userId } from "../primitives.ts";

export const auditAction = z.enum([
  "member_added",
  "member_removed",
  "role_changed",
  "ownership_transferred",
  "message_deleted",
  "group_renamed",
  "group_archived",
  "group_unarchived",
  "avatar_changed",
  "invite_created",
  "invite_revoked",
]);
export type AuditAction = z.output<typeof auditAction>;

export const auditRow = z.object({
  id: z.guid(),
  conversationId,
  action: auditAction,
  actorUserId: userId,
  targetUserId: userId.nullable(),
  messageId: messageId.nullable(),
  createdAt: time,
});
export type AuditRow = z.output<typeof auditRow>;

export const list = {
  input: z.object({
    conversationId,
    /** The id of a row; what is older comes. */
    before: z.guid().nullish(),
    limit: z.int().min(1).max(200).default(50),
  }),
  output: z.object({ entries: z.array(auditRow) }),
};

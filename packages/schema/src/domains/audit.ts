import * as z from "zod/mini";
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
  targetUserId: z.nullable(userId),
  messageId: z.nullable(messageId),
  createdAt: time,
});
export type AuditRow = z.output<typeof auditRow>;

export const list = {
  input: z.object({
    conversationId,
    /** The id of a row; what is older comes. */
    before: z.nullish(z.guid()),
    limit: z._default(z.int().check(z.minimum(1), z.maximum(200)), 50),
  }),
  output: z.object({ entries: z.array(auditRow) }),
};

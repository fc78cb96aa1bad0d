import type { Handlers } from "../../pipeline/call.ts";
import { acceptInvite, createInvite, getInvites, previewInvite, revokeInvite } from "./invites.service.ts";

export const invitesRouter: Handlers<"invites"> = {
  create: createInvite,
  list: (call, { conversationId }) => getInvites(call, conversationId),
  revoke: revokeInvite,
  preview: (call, { code }) => previewInvite(call, code),
  accept: (call, { code }) => acceptInvite(call, code),
};

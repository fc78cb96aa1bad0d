import type { Handlers } from "../../pipeline/call.ts";
import { getAvatar, setAvatarUrl, uploadAvatar } from "./avatars.service.ts";
import { archiveGroup, createGroup, getGroup, getGroups, renameGroup } from "./groups.service.ts";
import { addMembers, leaveGroup, removeMember } from "./members.service.ts";
import { setRole, transferOwnership } from "./roles.service.ts";

export const groupsRouter: Handlers<"groups"> = {
  create: createGroup,
  list: (call) => getGroups(call),
  get: (call, { conversationId }) => getGroup(call, conversationId),
  rename: renameGroup,
  addMembers,
  removeMember,
  leave: (call, { conversationId }) => leaveGroup(call, conversationId),
  setRole,
  transferOwnership,
  setAvatarUrl,
  uploadAvatar: (call, { conversationId }) => uploadAvatar(call, conversationId),
  avatar: (call, { conversationId }) => getAvatar(call, conversationId),
  archive: archiveGroup,
};

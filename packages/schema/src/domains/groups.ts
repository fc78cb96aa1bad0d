import * as z from "zod/mini";
import { conversationId, text, time, userId } from "../primitives.ts";

/** Most members of a group. */
export const maxGroupMembers = 1000;
/** Largest avatar in bytes. */
export const maxAvatarBytes = 2_097_152;
/** Most ids that one call adds; they may name somebody twice, or who is in already. */
const maxAddedIds = 2000;

export const groupRole = z.enum(["owner", "admin", "member"]);
/** Owners and admins moderate; only the owner gives roles, renames and archives. */
export type GroupRole = z.output<typeof groupRole>;

const name = text(128).check(z.minLength(1));
const memberUserIds = z.array(userId).check(z.maxLength(maxAddedIds));
const maxUrlChars = 2048;
/** Given to members as it is; the server never fetches it. */
const avatarUrl = text(maxUrlChars).check(
  z.refine((value) => /^https:\/\/\S+$/i.test(value) && URL.canParse(value), "An https URL is wanted"),
);
const onGroup = { conversationId };

export const createAnswer = z.object({ id: conversationId, name: z.string() });
export const create = {
  input: z.object({ name, memberUserIds: z.nullish(memberUserIds) }),
  output: createAnswer,
};

export const groupSummary = z.object({
  id: conversationId,
  name: z.string(),
  memberCount: z.int().check(z.minimum(1)),
  lastMessageAt: z.nullable(time),
  /** The caller's own. */
  role: groupRole,
  archived: z.boolean(),
});
/** A group as a list shows it, with the role that this user has in it. */
export type GroupSummary = z.output<typeof groupSummary>;
export const listAnswer = z.array(groupSummary);
export const list = { input: z.object({}), output: listAnswer };

export const groupMember = z.object({ userId, role: groupRole, joinedAt: time });
export const group = z.object({
  id: conversationId,
  name: z.string(),
  ownerUserId: userId,
  archived: z.boolean(),
  /** In the order in which they joined. */
  members: z.array(groupMember),
});
/** A group as its members see it. Times are RFC 3339. */
export type Group = z.output<typeof group>;
export const get = { input: z.object(onGroup), output: group };

export const rename = { input: z.object({ ...onGroup, name }) };
export const addMembers = { input: z.object({ ...onGroup, memberUserIds }) };
export const removeMember = { input: z.object({ ...onGroup, userId }) };
export const leave = { input: z.object(onGroup) };
/** `role` is `admin` or `member`; anything else is refused with `ROLE_INVALID`. */
export const setRole = { input: z.object({ ...onGroup, userId, role: z.string().check(z.maxLength(64)) }) };
export const transferOwnership = { input: z.object({ ...onGroup, newOwnerUserId: userId }) };
export const setAvatarUrl = { input: z.object({ ...onGroup, url: avatarUrl }) };
export const uploadAvatar = { input: z.object(onGroup) };
/** JSON where the avatar is a URL, else the image's bytes. */
export const avatar = { input: z.object(onGroup), output: z.object({ url: z.string() }) };
export const archive = { input: z.object({ ...onGroup, archived: z._default(z.boolean(), true) }) };

import {
  type ConversationId,
  type Group as GroupInfo,
  type GroupSummary,
  type Invite,
  type UserId,
  conversationId as conversationIdSchema,
  userId as userIdSchema,
} from "@sotto/schema";
import type { Api } from "./api/api.ts";
import {
  type CallOptions,
  type Conversation,
  type ConversationOptions,
  createConversation,
} from "./conversation.ts";
import { SottoError, invalidInput } from "./errors.ts";
import { findGroup, forgottenGroup, isOfOthers } from "./messages/participants.ts";
import type { Reader } from "./storage/records.ts";
import { newConversation } from "./timeline/identify-conversation.ts";
import { conversationRecord } from "./timeline/records.ts";
import type { MessageHandle } from "./conversation.ts";

/** How long an invite is good, and how often. */
export interface InviteOptions extends CallOptions {
  /** 1 to 525,600; without it the invite does not expire. */
  expiresInMinutes?: number | undefined;
  /** Without it, or 0: no limit. */
  maxUses?: number | undefined;
}

/**
 * A group: a conversation with members. What the server knows of it, its name and members, is not encrypted. Each call
 * may throw `GROUP_NOT_FOUND` for whoever is no member, and `ONLY_OWNER` or `ONLY_MODERATORS`.
 *
 * @example
 * ```ts
 * await group.rename("Climbing on Sundays");
 * await group.addMembers([aliceUserId]);
 * await group.setRole(aliceUserId, "admin");
 * const { code } = await group.invite({ maxUses: 1 });
 * for (const { code: left } of await group.invites()) if (left !== code) await group.revokeInvite(left);
 * const { members } = await group.info();
 * if (members.length > 2) await group.removeMember(bobUserId);
 * const [newest] = (await group.messages({ limit: 1 })).messages;
 * if (newest && !newest.isOwn) await group.deleteMessage(newest);
 * await group.archive();
 * await group.transferOwnership(aliceUserId);
 * await group.leave();
 * ```
 */
export interface Group extends Conversation {
  readonly groupId: ConversationId;
  /**
   * Name, owner and members, from the store unless they changed since. Throws `NETWORK` where they have to be asked
   * for.
   */
  info(options?: CallOptions): Promise<GroupInfo>;
  /** As owner or admin. Throws `GROUP_FULL`, `GROUP_ARCHIVED`, `USER_NOT_FOUND`, `MEMBER_BLOCKED`. */
  addMembers(userIds: readonly string[], options?: CallOptions): Promise<void>;
  /**
   * From then on nothing is sealed for that user. Throws `MEMBER_NOT_FOUND`, `MEMBER_PROTECTED`, and
   * `OWNER_MUST_TRANSFER` for the owner.
   */
  removeMember(userId: string, options?: CallOptions): Promise<void>;
  /** What was said stays stored here. Throws `OWNER_MUST_TRANSFER`. */
  leave(options?: CallOptions): Promise<void>;
  /** 1 to 128 characters, as owner. Throws what the group's calls may. */
  rename(name: string, options?: CallOptions): Promise<void>;
  /** As owner, of another member. Throws `MEMBER_NOT_FOUND`, and `OWNER_MUST_TRANSFER` for the owner's own role. */
  setRole(userId: string, role: "admin" | "member", options?: CallOptions): Promise<void>;
  /** As owner, who becomes an admin. Throws `MEMBER_NOT_FOUND`. */
  transferOwnership(newOwnerUserId: string, options?: CallOptions): Promise<void>;
  /** Nothing can be sent to an archived group; `false` opens it again. As owner. Throws what the group's calls may. */
  archive(isArchived?: boolean, options?: CallOptions): Promise<void>;
  /**
   * Makes an invite, as owner or admin: whoever has its `code` can join. Throws `GROUP_ARCHIVED`, `INVITE_LIMIT_REACHED`.
   */
  invite(options?: InviteOptions): Promise<{ code: string; expiresAt: string | null; maxUses: number }>;
  /** The invites that have not expired, newest first, for owner and admins. Throws what the group's calls may. */
  invites(options?: CallOptions): Promise<Invite[]>;
  /** As owner or admin: nobody joins by it any more. Throws `INVITE_NOT_FOUND`. */
  revokeInvite(code: string, options?: CallOptions): Promise<void>;
  /**
   * Deletes anyone's message, as owner or admin. Throws `MESSAGE_NOT_FOUND` for one that is not known here, or not
   * sent.
   */
  deleteMessage(message: MessageHandle, options?: CallOptions): Promise<void>;
}

/**
 * The groups of this user, and the way into others.
 *
 * @example
 * ```ts
 * for (const { id, name } of await client.groups.list()) console.log(name, await client.groups.get(id).info());
 * const code = await askUser();
 * const { name } = await client.groups.previewInvite(code);
 * const group = await client.groups.acceptInvite(code);
 * await group.send(`Hello, ${name}!`);
 * ```
 */
export interface Groups {
  /** This user's groups, the last active first, at most 1,000. Throws nothing of its own. */
  list(options?: CallOptions): Promise<GroupSummary[]>;
  /** A group by its id. Asks nobody; throws `INVALID_INPUT` when it is no id. */
  get(groupId: string): Group;
  /**
   * Makes a group with this user as its owner. Throws `USER_NOT_FOUND`, `MEMBER_BLOCKED`, `GROUP_FULL`.
   *
   * @example
   * ```ts
   * const group = await client.groups.create("Climbing", { memberUserIds: [aliceUserId, bobUserId] });
   * await group.send("Saturday?");
   * ```
   */
  create(
    name: string,
    options?: CallOptions & { memberUserIds?: readonly string[] | undefined },
  ): Promise<Group>;
  /** Where an invite leads. Throws `INVITE_NOT_FOUND`, `INVITE_EXPIRED`. */
  previewInvite(
    code: string,
    options?: CallOptions,
  ): Promise<{ groupId: ConversationId; name: string; remaining: number | null }>;
  /**
   * Joins by an invite. Throws `INVITE_NOT_FOUND`, `INVITE_EXPIRED`, `INVITE_EXHAUSTED`, `GROUP_FULL`, `GROUP_ARCHIVED`.
   */
  acceptInvite(code: string, options?: CallOptions): Promise<Group>;
}

export function createGroups(options: ConversationOptions): Groups {
  const { getSession } = options;
  const api = async () => (await getSession()).session.api;
  return {
    async list({ signal } = {}) {
      return (await api()).call((server, call) => server.groups.list.query({}, call), signal);
    },
    get: (groupId) => createGroup(parseGroupId(groupId), options),
    async create(name, { memberUserIds = [], signal } = {}) {
      const members = memberUserIds.map((id) => parseUserId(id));
      const { id } = await (
        await api()
      ).call((server, call) => server.groups.create.mutate({ name, memberUserIds: members }, call), signal);
      await knowGroup(options, { id, name });
      return createGroup(id, options);
    },
    async previewInvite(code, { signal } = {}) {
      const preview = await (
        await api()
      ).call((server, call) => server.invites.preview.query({ code }, call), signal);
      return { groupId: preview.conversationId, name: preview.name, remaining: preview.remaining };
    },
    async acceptInvite(code, { signal } = {}) {
      const { conversationId } = await (
        await api()
      ).call((server, call) => server.invites.accept.mutate({ code }, call), signal);
      await requireGroup((await options.getSession()).session.store, conversationId);
      return createGroup(conversationId, options);
    },
  };
}

/** What is said to a user is not to go to whoever the server names. Throws `BAD_ANSWER`. */
async function requireGroup(store: Reader, id: ConversationId): Promise<void> {
  if (await isOfOthers(store, id, null)) throw new SottoError("BAD_ANSWER");
}

/** The stream brings it too; until then it is in the list already. */
async function knowGroup(
  { getSession }: ConversationOptions,
  { id, name }: { id: ConversationId; name: string },
): Promise<void> {
  const { turns, store } = (await getSession()).session;
  await turns.run(async () => {
    await requireGroup(store, id);
    if (await conversationRecord.get(store, id)) return;
    await store.commit([conversationRecord.put([id], newConversation({ peerUserId: null, name }, 0))]);
  });
}

function createGroup(id: ConversationId, options: ConversationOptions): Group {
  const { getSession } = options;
  const at = { conversationId: id };
  const conversation = createConversation({ kind: "group", ...at }, options);
  /** The stream tells of the change too, maybe later: what is sent next is for the members as they are now. */
  const change = async (run: Parameters<Api["call"]>[0], signal: AbortSignal | undefined): Promise<void> => {
    const { api, store } = (await getSession()).session;
    await api.call(run, signal);
    await store.commit([forgottenGroup(id)]);
  };
  return {
    ...conversation,
    groupId: id,
    info: async ({ signal } = {}) => findGroup((await getSession()).session, id, signal),
    addMembers: (userIds, { signal } = {}) => {
      const memberUserIds = userIds.map((user) => parseUserId(user));
      return change(
        (server, call) => server.groups.addMembers.mutate({ ...at, memberUserIds }, call),
        signal,
      );
    },
    removeMember: (user, { signal } = {}) => {
      const userId = parseUserId(user);
      return change((server, call) => server.groups.removeMember.mutate({ ...at, userId }, call), signal);
    },
    leave: ({ signal } = {}) => change((server, call) => server.groups.leave.mutate(at, call), signal),
    rename: (name, { signal } = {}) =>
      change((server, call) => server.groups.rename.mutate({ ...at, name }, call), signal),
    setRole: (user, role, { signal } = {}) => {
      const userId = parseUserId(user);
      return change((server, call) => server.groups.setRole.mutate({ ...at, userId, role }, call), signal);
    },
    transferOwnership: (user, { signal } = {}) => {
      const newOwnerUserId = parseUserId(user);
      return change(
        (server, call) => server.groups.transferOwnership.mutate({ ...at, newOwnerUserId }, call),
        signal,
      );
    },
    archive: (archived = true, { signal } = {}) =>
      change((server, call) => server.groups.archive.mutate({ ...at, archived }, call), signal),
    async invite({ expiresInMinutes, maxUses, signal } = {}) {
      const { api } = (await getSession()).session;
      const input = { ...at, expiresInMinutes, maxUses };
      return api.call((server, call) => server.invites.create.mutate(input, call), signal);
    },
    async invites({ signal } = {}) {
      const { api } = (await getSession()).session;
      return api.call((server, call) => server.invites.list.query(at, call), signal);
    },
    async revokeInvite(code, { signal } = {}) {
      const { api } = (await getSession()).session;
      await api.call((server, call) => server.invites.revoke.mutate({ ...at, code }, call), signal);
    },
    async deleteMessage(message, { signal } = {}) {
      const found = await conversation.find(message);
      const messageId = found?.id;
      if (!messageId) throw new SottoError("MESSAGE_NOT_FOUND");
      const { api } = (await getSession()).session;
      await api.call((server, call) => server.messages.delete.mutate({ messageId }, call), signal);
    },
  };
}

function parseGroupId(id: string): ConversationId {
  const parsed = conversationIdSchema.safeParse(id);
  if (!parsed.success) throw invalidInput("groupId", parsed.error);
  return parsed.data;
}

/** Throws `INVALID_INPUT`. */
export function parseUserId(id: string): UserId {
  const parsed = userIdSchema.safeParse(id);
  if (!parsed.success) throw invalidInput("userId", parsed.error);
  return parsed.data;
}

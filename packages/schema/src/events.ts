import * as z from "zod/mini";
import { message } from "./domains/messages.ts";
import { attachmentId, conversationId, deviceId, logId, messageId, seq, time, userId } from "./primitives.ts";

const receiptFields = {
  conversationId,
  messageId,
  /** Whose device it is. */
  userId,
  /** null: acknowledged with a token that published no device. */
  deviceId: z.nullable(deviceId),
};

/** What was done to a group; `group.changed` says by whom, and to whom. */
export const groupAction = z.enum([
  "created",
  "renamed",
  "members_added",
  "member_joined",
  "member_left",
  "member_removed",
  "role_changed",
  "ownership_transferred",
  "archived",
  "unarchived",
  "avatar_changed",
]);
export type GroupAction = z.output<typeof groupAction>;

const reactionFields = { conversationId, messageId, userId, emoji: z.string() };

/** What an entry of a conversation's log says beside its messages. */
const conversationEvents = [
  z.object({ type: z.literal("reaction.added"), ...reactionFields }),
  z.object({ type: z.literal("reaction.removed"), ...reactionFields }),
  z.object({ type: z.literal("attachment.added"), conversationId, messageId, attachmentId }),
  z.object({
    type: z.literal("message.deleted"),
    conversationId,
    messageId,
    userId,
    /** Whose message it was: only where the entry stands in the message's own place. */
    senderUserId: z.optional(userId),
  }),
  z.object({
    type: z.literal("group.changed"),
    conversationId,
    action: groupAction,
    actorUserId: userId,
    /** Whom it was done to, where it was done to somebody. */
    userIds: z.optional(z.array(userId)),
    /** After `created` and `renamed`. */
    name: z.optional(z.string()),
    /** After `role_changed`. */
    role: z.optional(z.enum(["admin", "member"])),
  }),
] as const;

/** What an entry of a user's account log says. */
const accountEvents = [
  z.object({ type: z.literal("message.delivered"), ...receiptFields }),
  z.object({ type: z.literal("message.read"), ...receiptFields }),
  z.object({
    type: z.literal("device_list.changed"),
    change: z.enum(["added", "updated", "removed"]),
    deviceId,
  }),
  /** The next signed device list of the user's chain. */
  z.object({ type: z.literal("device_list.signed"), version: z.int().check(z.minimum(1)) }),
  /** The number signed in once more; `sessionId` is the `jti` of the token that it got. */
  z.object({ type: z.literal("session.opened"), sessionId: z.guid(), at: time }),
  /** One of the user's devices has read the conversation up to this number, before any other. */
  z.object({ type: z.literal("conversation.read"), conversationId, throughSeq: seq }),
  z.object({ type: z.literal("contact.added"), userId }),
  z.object({ type: z.literal("block.changed"), userId, isBlocked: z.boolean() }),
] as const;

/** What an entry of a log says. */
export const event = z.discriminatedUnion("type", [
  z.object({ type: z.literal("message.created"), message }),
  ...conversationEvents,
  ...accountEvents,
]);
export type Event = z.output<typeof event>;
export type ConversationEvent = z.output<(typeof conversationEvents)[number]>;
export type AccountEvent = z.output<(typeof accountEvents)[number]>;

/** One numbered entry of a log. */
export const entry = z.object({ log: logId, seq, at: time, event });
export type Entry = z.output<typeof entry>;

/** Somebody types, or has stopped; `conversationId` where the sender named it. Told once, without a number, and not stored. */
export const typing = z.object({
  type: z.literal("typing"),
  from: userId,
  isTyping: z.boolean(),
  conversationId: z.nullable(conversationId),
});
/** What is told to sockets and kept nowhere. */
export type Signal = z.output<typeof typing>;

/**
 * What `sync.subscribe` yields. `caught_up` comes once all logs are level with the server;
 * `resync_required` when entries up to `prunedThrough` were pruned before the device read them:
 * what is above still comes, the rest is to be had from history. A signal may come at any time, or be left out.
 */
export const syncEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("entry"), ...entry.shape }),
  z.object({ type: z.literal("caught_up") }),
  z.object({ type: z.literal("resync_required"), log: logId, prunedThrough: seq }),
  typing,
]);
export type SyncEvent = z.output<typeof syncEvent>;

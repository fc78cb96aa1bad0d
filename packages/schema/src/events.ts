import * as z from "zod";
import { message } from "./domains/messages.ts";
import { conversationId, deviceId, logId, messageId, seq, time, userId } from "./primitives.ts";

const receiptFields = {
  conversationId,
  messageId,
  /** Whose device it is. */
  userId,
  /** null: acknowledged with a token that published no device. */
  deviceId: deviceId.nullable(),
};

/** What an entry of a log says. Conversation logs hold messages, account logs the rest. */
export const event = z.discriminatedUnion("type", [
  z.object({ type: z.literal("message.created"), message }),
  z.object({ type: z.literal("message.delivered"), ...receiptFields }),
  z.object({ type: z.literal("message.read"), ...receiptFields }),
  z.object({
    type: z.literal("device_list.changed"),
    change: z.enum(["added", "updated", "removed"]),
    deviceId,
  }),
]);
export type Event = z.output<typeof event>;

/** One numbered entry of a log. */
export const entry = z.object({ log: logId, seq, at: time, event });
export type Entry = z.output<typeof entry>;

/**
 * What `sync.subscribe` yields. `caught_up` comes once all logs are level with the server;
 * `resync_required` when entries up to `prunedThrough` were pruned before the device read them:
 * what is above still comes, the rest is to be had from history.
 */
export const syncEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("entry"), ...entry.shape }),
  z.object({ type: z.literal("caught_up") }),
  z.object({ type: z.literal("resync_required"), log: logId, prunedThrough: seq }),
]);
export type SyncEvent = z.output<typeof syncEvent>;

import { toSnakeKeys } from "@sotto/schema";
import { viewEntry, type LogEntry, type Reader } from "../../modules/logs/entries.ts";
import type { FeedEvent } from "../../modules/sync/feed.ts";

/**
 * The `/ws` frames of an event, as wire-contract §3 shapes them. A receipt entry gives one frame a
 * message. A connection that does not resume is not told of the messages that it sent itself.
 */
export function toFrames(event: FeedEvent, reader: Reader, options: { resume: boolean }): object[] {
  if (event.type !== "entry") return [toSnakeKeys(event) as object];
  if (!options.resume && isOwnMessage(event.entry, reader)) return [];
  const { log, seq, event: content } = viewEntry(event.entry, reader);
  switch (content.type) {
    case "message.created":
      return [{ type: "message", message: toSnakeKeys(content.message), log, seq }];
    case "messages.delivered":
    case "messages.read":
      return content.messageIds.map((messageId) => ({
        type: content.type === "messages.read" ? "read" : "delivered",
        message_id: messageId,
        ...(content.deviceId === null ? {} : { device_id: content.deviceId }),
        user_id: content.userId,
        log,
        seq,
      }));
    case "device_list.changed":
      return [{ type: "device_list", action: content.change, device_id: content.deviceId, log, seq }];
  }
}

function isOwnMessage({ body }: LogEntry, reader: Reader): boolean {
  if (body.type !== "message.created" || body.message.senderUserId !== reader.userId) return false;
  return reader.deviceId === null || body.message.senderDeviceId === reader.deviceId;
}

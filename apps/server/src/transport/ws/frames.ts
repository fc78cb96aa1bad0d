import { toSnakeKeys } from "@sotto/schema";
import { viewEntry, type LogEntry, type Reader } from "../../modules/logs/entries.ts";
import type { FeedEvent } from "../../modules/sync/feed.ts";

/**
 * The `/ws` frame of an event (docs/PROTOCOL.md §6). A connection that does not resume is not told
 * of the messages that it sent itself.
 */
export function toFrame(event: FeedEvent, reader: Reader, options: { resume: boolean }): object | undefined {
  if (event.type !== "entry") return toSnakeKeys(event) as object;
  if (!options.resume && isOwnMessage(event.entry, reader)) return undefined;
  const { log, seq, event: content } = viewEntry(event.entry, reader);
  switch (content.type) {
    case "message.created":
      return { type: "message", message: toSnakeKeys(content.message), log, seq };
    case "message.delivered":
    case "message.read":
      return {
        type: content.type === "message.read" ? "read" : "delivered",
        message_id: content.messageId,
        ...(content.deviceId === null ? {} : { device_id: content.deviceId }),
        user_id: content.userId,
        log,
        seq,
      };
    case "device_list.changed":
      return { type: "device_list", action: content.change, device_id: content.deviceId, log, seq };
  }
}

function isOwnMessage({ body }: LogEntry, reader: Reader): boolean {
  if (body.type !== "message.created" || body.message.senderUserId !== reader.userId) return false;
  return reader.deviceId === null || body.message.senderDeviceId === reader.deviceId;
}

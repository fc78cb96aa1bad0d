import { conversationId, deviceId, messageId, userId } from "@sotto/schema";
import type { ReceivedMessage } from "./received-message.ts";

const id = "0197a2f0-0000-7000-8000-000000000001";

/** A received message of which only the text matters. */
export const messageOf = (ciphertext: string): ReceivedMessage => ({
  kind: "opaque",
  ciphertext,
  id: messageId.parse(id),
  conversationId: conversationId.parse(id),
  senderUserId: userId.parse(id),
  senderDeviceId: deviceId.parse("device"),
  sentAt: "2026-01-01T00:00:00.000Z",
  isOwn: false,
});

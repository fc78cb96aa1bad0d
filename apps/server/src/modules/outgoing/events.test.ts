import type { AttachmentId, ConversationId, DeviceId, MessageId, UserId } from "@sotto/schema";
import { expect, test } from "vitest";
import type { Wake } from "../../bus/bus.ts";
import { conversationLog, type Audience, type LogEntry } from "../logs/entries.ts";
import { deriveEvents } from "./events.ts";

const conversationId = "018f0000-0000-7000-8000-00000000000c" as ConversationId;
const alice = "018f0000-0000-7000-8000-00000000000a" as UserId;
const bob = "018f0000-0000-7000-8000-00000000000b" as UserId;
const messageId = "018f0000-0000-7000-8000-00000000000d" as MessageId;
const deviceId = "phone" as DeviceId;

function wake(body: LogEntry["body"], audience: Audience = [alice, bob]): Wake {
  const log = conversationLog(conversationId);
  return { kind: "entry", audience, entry: { log, seq: 1, at: "2026-01-01T00:00:00.000Z", body } };
}

function message(recipientUserId: UserId | null): LogEntry["body"] {
  const stored = { id: messageId, conversationId, senderUserId: alice, senderDeviceId: deviceId };
  return {
    type: "message.created",
    message: {
      ...stored,
      recipientUserId,
      ciphertext: "CIPHERTEXT",
      sentAt: "2026-01-01T00:00:00.000Z",
      wraps: { "bob/phone": "WRAP" },
    },
  };
}

const never = (): never => {
  throw new Error("no group");
};

test("a message to a person names both, and holds no content", () => {
  const events = deriveEvents([wake(message(bob))], never);
  expect(events).toEqual([
    {
      name: "chat.message.created",
      conversationId,
      data: {
        message_id: messageId,
        conversation_id: conversationId,
        sender_user_id: alice,
        recipient_user_id: bob,
      },
    },
  ]);
});

test("a message to a group counts the other members", () => {
  const [event] = deriveEvents([wake(message(null), { conversationId, rosterSeq: 3 })], () => 5);
  expect(event).toEqual({
    name: "chat.group.message.created",
    conversationId,
    data: { message_id: messageId, conversation_id: conversationId, sender_user_id: alice, count: 4 },
  });
});

test("receipts name the device where there is one, attachments their message", () => {
  const receipt = { conversationId, messageId, userId: bob };
  const attachmentId = "018f0000-0000-7000-8000-00000000000e" as AttachmentId;
  const events = deriveEvents(
    [
      wake({ type: "message.delivered", ...receipt, deviceId }),
      wake({ type: "message.read", ...receipt, deviceId: null }),
      wake({ type: "attachment.added", conversationId, messageId, attachmentId }),
    ],
    never,
  );
  expect(events.map(({ name, data }) => [name, data])).toEqual([
    ["chat.message.delivered", { message_id: messageId, device_id: deviceId }],
    ["chat.message.read", { message_id: messageId }],
    ["chat.attachment.added", { message_id: messageId, attachment_id: attachmentId }],
  ]);
});

test("nothing else leaves the server", () => {
  const account = wake({ type: "device_list.changed", change: "added", deviceId }, [alice]);
  const others: Wake[] = [
    account,
    wake({ type: "contact.added", userId: bob }),
    wake({ type: "message.deleted", conversationId, messageId, userId: alice }),
    { kind: "device_connected", userId: alice, deviceId, connectionId: "c" },
  ];
  expect(deriveEvents(others, never)).toEqual([]);
});

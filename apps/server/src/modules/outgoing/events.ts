import type { AttachmentId, ConversationId, DeviceId, MessageId, UserId } from "@sotto/schema";
import type { Wake } from "../../bus/bus.ts";
import type { GroupAudience, LogEntry, StoredMessage } from "../logs/entries.ts";

/** What other systems are told: ids alone, never ciphertext, phone numbers or names. */
export type OutgoingEvent = { conversationId: ConversationId } & (
  | { name: "chat.message.created"; data: MessageData & { recipient_user_id: UserId } }
  | { name: "chat.group.message.created"; data: MessageData & { count: number } }
  | { name: "chat.message.delivered" | "chat.message.read"; data: ReceiptData }
  | { name: "chat.attachment.added"; data: { message_id: MessageId; attachment_id: AttachmentId } }
);

interface MessageData {
  message_id: MessageId;
  conversation_id: ConversationId;
  sender_user_id: UserId;
}

interface ReceiptData {
  message_id: MessageId;
  /** Missing: acknowledged with a token that published no device. */
  device_id?: DeviceId;
}

/** How many members the audience of a group's message has, its sender among them. */
export type CountMembers = (audience: GroupAudience) => number;

/** The events of a transaction, in the order in which it made its changes. */
export function deriveEvents(wakes: readonly Wake[], countMembers: CountMembers): OutgoingEvent[] {
  return wakes.flatMap((wake) => {
    if (wake.kind !== "entry") return [];
    const { audience, entry } = wake;
    return deriveEvent(entry, () => ("rosterSeq" in audience ? countMembers(audience) : audience.length));
  });
}

function deriveEvent({ body }: LogEntry, count: () => number): OutgoingEvent[] {
  switch (body.type) {
    case "message.created":
      return [describeMessage(body.message, count)];
    case "message.delivered":
    case "message.read": {
      const { conversationId, messageId, deviceId } = body;
      const data = { message_id: messageId, ...(deviceId === null ? {} : { device_id: deviceId }) };
      return [{ name: `chat.${body.type}`, conversationId, data }];
    }
    case "attachment.added": {
      const { conversationId, messageId, attachmentId } = body;
      const data = { message_id: messageId, attachment_id: attachmentId };
      return [{ name: "chat.attachment.added", conversationId, data }];
    }
    default:
      return [];
  }
}

function describeMessage(message: StoredMessage, count: () => number): OutgoingEvent {
  const { id, conversationId, senderUserId, recipientUserId } = message;
  const data = { message_id: id, conversation_id: conversationId, sender_user_id: senderUserId };
  if (recipientUserId === null) {
    return { name: "chat.group.message.created", conversationId, data: { ...data, count: count() - 1 } };
  }
  return {
    name: "chat.message.created",
    conversationId,
    data: { ...data, recipient_user_id: recipientUserId },
  };
}

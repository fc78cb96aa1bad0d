import * as z from "zod/mini";
import { clientMessageId, conversationId, deviceId, messageId, text, time, userId } from "../primitives.ts";

/** Largest `ciphertext`, in bytes of UTF-8. Larger content goes into an attachment. */
export const maxCiphertextBytes = 262_144;
/** Most devices that one sealed message is wrapped for. */
export const maxRecipients = 1024;
/** Largest wrap of one device, in characters; X-Wing's is 1,600. */
const maxWrapChars = 4096;

export const message = z.object({
  id: messageId,
  conversationId,
  senderUserId: userId,
  senderDeviceId: deviceId,
  /** The reader for a group message (for its sender: the sender). */
  recipientUserId: userId,
  ciphertext: z.string(),
  /** The part of the reading device, where the message was sealed for devices. */
  wrap: z.nullable(z.string()),
  delivered: z.boolean(),
  read: z.boolean(),
  sentAt: time,
});
export type Message = z.output<typeof message>;

export const messageList = z.object({ messages: z.array(message) });

export const recipient = z.object({
  userId,
  deviceId,
  wrap: text(maxWrapChars),
  /** Not sealed to, because the user's newest signed device list, of this version, does not name the device. */
  listVersion: z.optional(z.int().check(z.minimum(0))),
});
export type Recipient = z.output<typeof recipient>;

export const send = {
  input: z.object({
    /** Refused with `RECIPIENT_ID_INVALID` when it is no UUID. */
    recipientUserId: z.string().check(z.maxLength(64)),
    senderDeviceId: deviceId,
    /** Any string; refused with `PAYLOAD_TOO_LARGE` above `maxCiphertextBytes`. */
    ciphertext: text(Number.MAX_SAFE_INTEGER).check(z.minLength(1)),
    clientMessageId: z.nullish(clientMessageId),
    /** One wrap for every current device of the recipient and every other device of the sender. */
    recipients: z.nullish(z.array(recipient).check(z.maxLength(maxRecipients))),
  }),
  output: message,
};

export const sendGroupAnswer = z.object({ detail: z.literal("ok"), messageIds: z.array(messageId) });
export const sendGroup = {
  input: z.object({
    conversationId,
    senderDeviceId: deviceId,
    /** As for `send`. */
    ciphertext: text(Number.MAX_SAFE_INTEGER).check(z.minLength(1)),
    clientMessageId: z.nullish(clientMessageId),
    /** One wrap for every current device of the members but the sending one. */
    recipients: z.nullish(z.array(recipient).check(z.maxLength(maxRecipients))),
  }),
  output: sendGroupAnswer,
};

export const inbox = {
  input: z.object({
    ackDelivered: z._default(z.boolean(), false),
    limit: z._default(z.int().check(z.minimum(1), z.maximum(200)), 200),
  }),
  output: messageList,
};

export const ack = { input: z.object({ messageId }) };
export const ackDevice = { input: z.object({ messageId, deviceId }) };

export const receipt = z.object({
  deviceId,
  userId,
  delivered: z.boolean(),
  read: z.boolean(),
  deliveredAt: z.nullable(time),
  readAt: z.nullable(time),
});
export const receiptsAnswer = z.array(receipt);
export const receipts = { input: z.object({ messageId }), output: receiptsAnswer };

export const history = {
  input: z.object({
    conversationId,
    /** A time or a message's id; what is older comes. */
    before: z.nullish(z.string().check(z.maxLength(64))),
    limit: z._default(z.int().check(z.minimum(1), z.maximum(200)), 50),
  }),
  output: messageList,
};

export const search = {
  input: z.object({
    conversationId,
    senderDeviceId: z.nullish(deviceId),
    hasAttachments: z.nullish(z.boolean()),
    /** A time; what was sent then or later. */
    since: z.nullish(z.string().check(z.maxLength(64))),
    /** A time; what was sent then or earlier. */
    until: z.nullish(z.string().check(z.maxLength(64))),
    /** As for `history`. */
    before: z.nullish(z.string().check(z.maxLength(64))),
    limit: z._default(z.int().check(z.minimum(1), z.maximum(200)), 50),
  }),
  output: messageList,
};

export const conversation = z.object({
  id: conversationId,
  /** The smaller of the two user ids; a group's owner. */
  userA: userId,
  userB: userId,
  lastMessageAt: z.nullable(time),
  isGroup: z.boolean(),
  name: z.nullable(z.string()),
});
export type Conversation = z.output<typeof conversation>;

export const conversations = {
  input: z.object({}),
  output: z.object({ conversations: z.array(conversation) }),
};
export const conversationsSummaryAnswer = z.object({
  conversations: z.array(z.extend(conversation, { unreadCount: z.int().check(z.minimum(0)) })),
});
export const conversationsSummary = {
  input: z.object({}),
  output: conversationsSummaryAnswer,
};

/** Gives the direct conversation with a user, made when there is none, so that its id can be sealed into a message. */
export const open = { input: z.object({ peerUserId: userId }), output: conversation };

/** Goes to the peer, or to the other members of the conversation: exactly one of them is named. */
export const typing = {
  input: z
    .object({
      peerUserId: z.nullish(userId),
      conversationId: z.nullish(conversationId),
      isTyping: z._default(z.boolean(), true),
    })
    .check(
      z.refine(({ peerUserId, conversationId: id }) => (peerUserId == null) !== (id == null), {
        path: ["peerUserId"],
        message: "Either peer_user_id or conversation_id is to be given",
      }),
    ),
};

import type { Handlers } from "../../pipeline/call.ts";
import { getConversations, getConversationsSummary } from "../conversations/conversations.service.ts";
import { ackMessage, ackReadThrough, getReceipts } from "./acks.service.ts";
import { searchMessages } from "./history.service.ts";
import { getInbox } from "./messages.service.ts";
import { deleteMessage } from "./moderation.service.ts";
import { sendDirect, sendGroup } from "./send.service.ts";
import { tellTyping } from "./typing.service.ts";

export const messagesRouter: Handlers<"messages"> = {
  send: sendDirect,
  sendGroup,
  inbox: getInbox,
  ackDelivered: (call, { messageId }) => ackMessage(call, { messageId, kind: "delivered" }),
  ackRead: (call, { messageId }) => ackMessage(call, { messageId, kind: "read" }),
  ackReadThrough: (call, { messageId }) => ackReadThrough(call, messageId),
  ackDeliveredDevice: (call, ack) => ackMessage(call, { ...ack, kind: "delivered" }),
  ackReadDevice: (call, ack) => ackMessage(call, { ...ack, kind: "read" }),
  receipts: (call, { messageId }) => getReceipts(call, messageId),
  typing: tellTyping,
  history: searchMessages,
  search: searchMessages,
  delete: (call, { messageId }) => deleteMessage(call, messageId),
  conversations: (call) => getConversations(call),
  conversationsSummary: (call) => getConversationsSummary(call),
};

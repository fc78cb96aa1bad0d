import * as auth from "./domains/auth.ts";
import * as keys from "./domains/keys.ts";
import * as messages from "./domains/messages.ts";
import * as presence from "./domains/presence.ts";
import * as sync from "./domains/sync.ts";
import { z } from "zod";
import { ok } from "./primitives.ts";
import type { ContractTable } from "./procedure.ts";

/**
 * Every procedure there is. The tRPC router, the SDK's calls, the REST routes and the OpenAPI
 * document all follow from this table.
 */
export const contract = {
  auth: {
    requestOtp: {
      kind: "mutation",
      access: "public",
      limit: "otp",
      summary: "Request a one-time code for a phone number",
      ...auth.requestOtp,
      rest: { method: "POST", path: "/auth/request_otp" },
    },
    verifyOtp: {
      kind: "mutation",
      access: "public",
      limit: "otp",
      summary: "Verify a one-time code; makes the user at the first verification",
      ...auth.verifyOtp,
      rest: { method: "POST", path: "/auth/verify_otp" },
    },
    logout: {
      kind: "mutation",
      access: "user",
      limit: "general",
      summary: "End this token's session; its sockets close",
      input: z.object({}),
      output: ok,
      rest: { method: "POST", path: "/auth/logout" },
    },
  },

  keys: {
    publish: {
      kind: "mutation",
      access: "user",
      limit: "general",
      summary: "Register or update a device with its public key",
      ...keys.publish,
      creates: true,
      rest: { method: "POST", path: "/keys/publish" },
    },
    listMine: {
      kind: "query",
      access: "user",
      limit: "general",
      summary: "List my devices, oldest first",
      ...keys.listMine,
      rest: { method: "GET", path: "/keys/me" },
    },
    list: {
      kind: "query",
      access: "user",
      limit: "general",
      summary: "List a user's devices, oldest first; empty for an unknown user",
      ...keys.list,
      rest: { method: "GET", path: "/keys/{user_id}" },
    },
    update: {
      kind: "mutation",
      access: "user",
      limit: "general",
      summary: "Change a device's name or push token",
      ...keys.update,
      output: ok,
      rest: { method: "PUT", path: "/keys/devices/{device_id}" },
    },
    remove: {
      kind: "mutation",
      access: "user",
      limit: "general",
      summary: "Remove a device; its tokens and sockets end",
      ...keys.remove,
      output: ok,
      rest: { method: "DELETE", path: "/keys/devices/{device_id}" },
    },
  },

  presence: {
    get: {
      kind: "query",
      access: "user",
      limit: "general",
      summary: "Whether a user is connected, and when last seen",
      ...presence.get,
      rest: { method: "GET", path: "/presence/{user_id}" },
    },
    ping: {
      kind: "mutation",
      access: "user",
      limit: "general",
      summary: "Set my last_seen to now",
      ...presence.ping,
      rest: { method: "POST", path: "/presence/ping" },
    },
  },

  conversations: {
    open: {
      kind: "mutation",
      access: "user",
      limit: "general",
      summary: "Get the direct conversation with a user, made when there is none",
      ...messages.open,
      creates: true,
      rest: { method: "POST", path: "/conversations/direct" },
    },
  },

  messages: {
    send: {
      kind: "mutation",
      access: "user",
      limit: "message",
      summary: "Send ciphertext to a user; makes the conversation if needed",
      ...messages.send,
      creates: true,
      rest: { method: "POST", path: "/messages/send" },
    },
    inbox: {
      kind: "query",
      access: "user",
      limit: "general",
      summary: "Messages sent to me and not yet delivered, oldest first",
      ...messages.inbox,
      rest: { method: "GET", path: "/messages/inbox" },
    },
    ackDelivered: {
      kind: "mutation",
      access: "user",
      limit: "sync",
      summary: "Mark a message delivered",
      ...messages.ack,
      output: ok,
      rest: { method: "POST", path: "/messages/{message_id}/ack_delivered" },
    },
    ackRead: {
      kind: "mutation",
      access: "user",
      limit: "sync",
      summary: "Mark a message read, and so delivered",
      ...messages.ack,
      output: ok,
      rest: { method: "POST", path: "/messages/{message_id}/ack_read" },
    },
    ackDeliveredDevice: {
      kind: "mutation",
      access: "user",
      limit: "sync",
      summary: "Mark a message delivered to one of my devices",
      ...messages.ackDevice,
      output: ok,
      rest: { method: "POST", path: "/messages/{message_id}/ack_delivered_device", query: ["device_id"] },
    },
    ackReadDevice: {
      kind: "mutation",
      access: "user",
      limit: "sync",
      summary: "Mark a message read on one of my devices",
      ...messages.ackDevice,
      output: ok,
      rest: { method: "POST", path: "/messages/{message_id}/ack_read_device", query: ["device_id"] },
    },
    receipts: {
      kind: "query",
      access: "user",
      limit: "general",
      summary: "What each device of each recipient has acknowledged",
      ...messages.receipts,
      rest: { method: "GET", path: "/messages/{message_id}/receipts" },
    },
    history: {
      kind: "query",
      access: "user",
      limit: "general",
      summary: "The newest messages of a conversation before a time or a message, oldest first",
      ...messages.history,
      rest: { method: "GET", path: "/messages/history" },
    },
    conversations: {
      kind: "query",
      access: "user",
      limit: "general",
      summary: "My conversations with messages, newest first, at most 100",
      ...messages.conversations,
      rest: { method: "GET", path: "/messages/conversations" },
    },
    conversationsSummary: {
      kind: "query",
      access: "user",
      limit: "general",
      summary: "My conversations with their unread counts, newest first, at most 100",
      ...messages.conversationsSummary,
      rest: { method: "GET", path: "/messages/conversations_summary" },
    },
  },

  sync: {
    subscribe: {
      kind: "subscription",
      access: "device",
      limit: "sync",
      summary: "Everything that this device has not acknowledged, then what happens",
      ...sync.subscribe,
    },
    ack: {
      kind: "mutation",
      access: "device",
      limit: "sync",
      summary: "Move this device's positions; in a conversation that says delivered",
      ...sync.ack,
      output: ok,
    },
    fill: {
      kind: "query",
      access: "device",
      limit: "sync",
      summary: "Entries of a log by their numbers",
      ...sync.fill,
    },
  },
} as const satisfies ContractTable;

export type Contract = typeof contract;

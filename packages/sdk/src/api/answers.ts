/**
 * What the SDK calls, with the answers that it accepts. They are the contract's own; the rest of the contract (routes,
 * limits, texts, what the SDK does not call) is left out of what a page loads.
 */
import { type Contract, type ContractRouter, ok } from "@sotto/schema";
import {
  attachments,
  auth,
  blocks,
  contacts,
  deviceLists,
  groups,
  invites,
  keys,
  messages,
  presence,
  sync,
  uploads,
} from "@sotto/schema/domains";
import type { TRPCClient } from "@trpc/client";
import * as z from "zod/mini";

/** Parsed entry by entry by whoever asks, as the stream is: an entry of a newer server must not break it. */
const unchecked = z.unknown();

export const answers = {
  attachments: { attach: attachments.attachment },
  auth: {
    requestOtp: auth.requestOtpAnswer,
    verifyOtp: auth.verifyOtpAnswer,
    getPin: auth.getPinAnswer,
    setPin: ok,
    removePin: ok,
  },
  blocks: { add: ok, remove: ok, list: blocks.listAnswer },
  contacts: { add: ok, list: contacts.listAnswer },
  conversations: { open: messages.conversation },
  deviceLists: {
    publish: deviceLists.publishAnswer,
    get: deviceLists.known,
    getMany: deviceLists.getManyAnswer,
    getHandover: deviceLists.getHandoverAnswer,
  },
  groups: {
    create: groups.createAnswer,
    list: groups.listAnswer,
    get: groups.group,
    rename: ok,
    addMembers: ok,
    removeMember: ok,
    leave: ok,
    setRole: ok,
    transferOwnership: ok,
    archive: ok,
  },
  invites: {
    create: invites.createAnswer,
    list: invites.listAnswer,
    revoke: ok,
    preview: invites.previewAnswer,
    accept: invites.acceptAnswer,
  },
  keys: { publish: keys.device, listMine: keys.listMineAnswer, list: keys.listAnswer, remove: ok },
  messages: {
    send: messages.message,
    sendGroup: messages.sendGroupAnswer,
    ackReadThrough: ok,
    receipts: messages.receiptsAnswer,
    history: messages.messageList,
    conversationsSummary: messages.conversationsSummaryAnswer,
    delete: ok,
    typing: ok,
  },
  presence: { get: presence.presence },
  sync: { ack: ok, fill: unchecked, log: sync.logAnswer },
  uploads: { create: uploads.uploadState, cancel: ok },
} satisfies {
  [Area in keyof Contract]?: {
    [Name in keyof Contract[Area]]?: Contract[Area][Name] extends { output: infer Output }
      ? Output | typeof unchecked
      : never;
  };
};

type Answers = typeof answers;
type Server = TRPCClient<ContractRouter>;

/** The procedures of {@link answers}: nothing else can be called. */
export type CheckedServer = {
  [Area in keyof Answers]: Pick<Server[Area], keyof Answers[Area] & keyof Server[Area]>;
};

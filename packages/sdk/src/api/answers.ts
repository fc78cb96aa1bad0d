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
  attachments: { attach: attachments.attach.output },
  auth: {
    requestOtp: auth.requestOtp.output,
    verifyOtp: auth.verifyOtp.output,
    getPin: auth.getPin.output,
    setPin: auth.setPin.output,
    removePin: auth.removePin.output,
  },
  blocks: { add: ok, remove: ok, list: blocks.list.output },
  contacts: { add: ok, list: contacts.list.output },
  conversations: { open: messages.open.output },
  deviceLists: {
    publish: deviceLists.publish.output,
    get: deviceLists.get.output,
    getMany: deviceLists.getMany.output,
    getHandover: deviceLists.getHandover.output,
  },
  groups: {
    create: groups.create.output,
    list: groups.list.output,
    get: groups.get.output,
    rename: ok,
    addMembers: ok,
    removeMember: ok,
    leave: ok,
    setRole: ok,
    transferOwnership: ok,
    archive: ok,
  },
  invites: {
    create: invites.create.output,
    list: invites.list.output,
    revoke: ok,
    preview: invites.preview.output,
    accept: invites.accept.output,
  },
  keys: { publish: keys.publish.output, listMine: keys.listMine.output, list: keys.list.output, remove: ok },
  messages: {
    send: messages.send.output,
    sendGroup: messages.sendGroup.output,
    ackReadThrough: ok,
    receipts: messages.receipts.output,
    history: messages.history.output,
    conversationsSummary: messages.conversationsSummary.output,
    delete: ok,
    typing: ok,
  },
  presence: { get: presence.get.output },
  sync: { ack: ok, fill: unchecked, log: sync.log.output },
  uploads: { create: uploads.create.output, cancel: uploads.cancel.output },
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

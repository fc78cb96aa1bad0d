import type { Message } from "@sotto/schema";
import type { Me } from "../identity/account.ts";
import type { Reader } from "../storage/records.ts";
import type { StoreWrite } from "../storage/store.ts";
import type { OwnMessage } from "../timeline/place.ts";
import { baseOf, parseHeader } from "./open-message.ts";
import { outgoingRecord, placedWrites } from "./outgoing-queue.ts";
import type { ReceivedMessage, UnreadableReason } from "./received-message.ts";
import { findForm } from "./sending-numbers.ts";

export interface ReadOwn {
  message: ReceivedMessage;
  known: OwnMessage;
  /** To be committed with its place in the log. */
  writes: StoreWrite[];
}

/** Of this very device, which cannot open what it sealed: it keeps what it said. */
export async function readOwn(store: Reader, message: Message, me: Me): Promise<ReadOwn> {
  const base = baseOf(message, me);
  const unreadable = (reason: UnreadableReason) => ({
    message: { ...base, kind: "unreadable" as const, reason },
    known: {},
    writes: [],
  });
  const header = parseHeader(message.ciphertext);
  if (header === undefined) {
    return { message: { ...base, kind: "opaque", ciphertext: message.ciphertext }, known: {}, writes: [] };
  }
  if (typeof header === "string") return unreadable(header);
  const { messageId: clientMessageId, conversationId, senderDeviceId } = header;
  if (conversationId !== message.conversationId) return unreadable("wrong_conversation");
  if (senderDeviceId !== me.deviceId) return unreadable("wrong_device");
  const outgoing = await outgoingRecord.get(store, clientMessageId);
  const form = outgoing && findForm(outgoing, header.counter);
  const sealed = outgoing?.delivered ?? form;
  if (!outgoing || sealed?.conversationId !== conversationId) return unreadable("not_for_this_device");
  const { kem, recipientCount: recipients } = sealed;
  const opened = { ...outgoing.payload, ...base, clientMessageId, assurance: "signed" as const, kem };
  const placed = { at: message, counter: header.counter, form };
  return {
    message: opened,
    known: { recipients, isShown: true },
    writes: await placedWrites(store, { clientMessageId, message: outgoing }, placed),
  };
}

export function isFromThisDevice(message: Pick<Message, "senderUserId" | "senderDeviceId">, me: Me): boolean {
  return message.senderUserId === me.userId && message.senderDeviceId === me.deviceId;
}

import type { ConversationId, Message, UserId } from "@sotto/schema";
import type { Session } from "../session.ts";
import { baseOf, openMessage, parseHeader } from "./open-message.ts";
import { outgoingRecord } from "./outgoing-queue.ts";
import type { ReceivedMessage, UnreadableReason } from "./received-message.ts";

interface Page {
  conversationId: ConversationId;
  peerUserId: UserId;
  messages: readonly Message[];
  signal: AbortSignal;
}

/** Reads a page of history: nothing in it is judged against the replay windows, which only move forward. */
export async function readPage(session: Session, { messages, ...page }: Page): Promise<ReceivedMessage[]> {
  const { me } = session;
  const seen = new Set<string>();
  const read: ReceivedMessage[] = [];
  for (const message of messages) {
    const opened = await readOne(session, message, page);
    const named =
      "clientMessageId" in opened ? `${opened.senderDeviceId}/${opened.clientMessageId}` : undefined;
    const isRepeated = named !== undefined && seen.has(named);
    if (named !== undefined) seen.add(named);
    read.push(isRepeated ? { ...baseOf(message, me), kind: "unreadable", reason: "replayed" } : opened);
  }
  return read;
}

async function readOne(
  session: Session,
  message: Message,
  page: Omit<Page, "messages">,
): Promise<ReceivedMessage> {
  const { me, account, directory } = session;
  if (message.conversationId !== page.conversationId) {
    return { ...baseOf(message, me), kind: "unreadable", reason: "wrong_conversation" };
  }
  const isFromHere = message.senderUserId === me.userId && message.senderDeviceId === me.deviceId;
  if (isFromHere) return readOwn(session, message, page.peerUserId);
  const opening = { me, keys: account.keys, directory, signal: page.signal };
  return (await openMessage(message, opening)).message;
}

/** This device cannot open what it sealed: it keeps the text. */
async function readOwn(
  { store, me }: Session,
  message: Message,
  peerUserId: UserId,
): Promise<ReceivedMessage> {
  const base = baseOf(message, me);
  const unreadable = (reason: UnreadableReason) => ({ ...base, kind: "unreadable", reason }) as const;
  const header = parseHeader(message.ciphertext);
  if (header === undefined) return { ...base, kind: "opaque", ciphertext: message.ciphertext };
  if (typeof header === "string") return unreadable(header);
  const { messageId: clientMessageId, conversationId, senderDeviceId } = header;
  if (conversationId !== message.conversationId) return unreadable("wrong_conversation");
  if (senderDeviceId !== me.deviceId) return unreadable("wrong_device");
  const sent = await outgoingRecord.get(store, clientMessageId);
  if (sent?.peerUserId !== peerUserId) return unreadable("not_for_this_device");
  const { text, sentAtMs } = sent;
  const kem = (sent.delivered ?? sent.sealed)?.kem ?? "x25519";
  return { ...base, kind: "text", clientMessageId, assurance: "signed", kem, text, sentAtMs };
}

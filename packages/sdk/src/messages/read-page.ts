import { type Message, parseSealedBody } from "@sotto/schema";
import type { Session } from "../session.ts";
import { baseOf, openMessage } from "./open-message.ts";
import { outgoingRecord } from "./outgoing-queue.ts";
import type { ReceivedMessage } from "./received-message.ts";

/** Reads a page of history: nothing in it is judged against the replay windows, which only move forward. */
export async function readPage(
  session: Session,
  messages: readonly Message[],
  signal: AbortSignal = new AbortController().signal,
): Promise<ReceivedMessage[]> {
  const { me, account, directory } = session;
  const seen = new Set<string>();
  const page: ReceivedMessage[] = [];
  for (const message of messages) {
    const isFromHere = message.senderUserId === me.userId && message.senderDeviceId === me.deviceId;
    const read = isFromHere
      ? await readOwn(session, message)
      : (await openMessage(message, { me, keys: account.keys, directory, signal })).message;
    const named = "clientMessageId" in read ? `${read.senderDeviceId}/${read.clientMessageId}` : undefined;
    const isRepeated = named !== undefined && seen.has(named);
    if (named !== undefined) seen.add(named);
    page.push(isRepeated ? { ...baseOf(message, me), kind: "unreadable", reason: "replayed" } : read);
  }
  return page;
}

/** This device cannot open what it sealed: it keeps the text. */
async function readOwn({ store, me }: Session, message: Message): Promise<ReceivedMessage> {
  const base = baseOf(message, me);
  const clientMessageId = headerOf(message.ciphertext)?.messageId;
  if (clientMessageId === undefined) return { ...base, kind: "opaque", ciphertext: message.ciphertext };
  const sent = await outgoingRecord.get(store, clientMessageId);
  if (!sent) return { ...base, kind: "unreadable", reason: "not_for_this_device" };
  const { text, sentAtMs } = sent;
  return { ...base, kind: "text", clientMessageId, assurance: "signed", text, sentAtMs };
}

function headerOf(ciphertext: string) {
  try {
    return parseSealedBody(ciphertext)?.header;
  } catch {
    return undefined;
  }
}

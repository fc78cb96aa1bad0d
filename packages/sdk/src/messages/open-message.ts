import {
  type ConversationId,
  type Message,
  SealedFormatError,
  type SealedHeader,
  parseSealedBody,
} from "@sotto/schema";
import type { DeviceKeys } from "../crypto/device-keys.ts";
import { EnvelopeError } from "../crypto/errors.ts";
import type { VerifiedSender } from "../crypto/key-bundle.ts";
import { type OpenedEnvelope, openEnvelope } from "../crypto/open-envelope.ts";
import type { Me } from "../identity/account.ts";
import type { Directory } from "../identity/directory.ts";
import type { ReceivedMessage, UnreadableMessage, UnreadableReason } from "./received-message.ts";

export interface Opening {
  me: Me;
  keys: DeviceKeys;
  directory: Directory;
  signal: AbortSignal;
}

export interface OpenedMessage {
  message: ReceivedMessage;
  /** Of a message that was opened; its counter is still to be judged. */
  header: SealedHeader | undefined;
  /** Counters of its device that it says will not come. */
  refused?: number[];
}

/**
 * Opens what the server gave. What cannot be read is a value. Throws only when the sender's key could not be asked
 * for: `NETWORK` and the like.
 */
export async function openMessage(message: Message, opening: Opening): Promise<OpenedMessage> {
  const header = parseHeader(message.ciphertext);
  if (header === undefined) {
    const { ciphertext } = message;
    return { message: { ...baseOf(message, opening.me), kind: "opaque", ciphertext }, header: undefined };
  }
  if (header === "malformed" || header === "oversize") return unreadable(message, header, opening);
  if (message.wrap === null) return unreadable(message, "not_for_this_device", opening);
  if (message.wrap === "") return unreadable(message, "not_addressed", opening);
  const sender = { userId: message.senderUserId, deviceId: message.senderDeviceId };
  const known = await opening.directory.findSender(sender, opening);
  if (!known) return unreadable(message, "sender_unverified", opening);
  const first = await tryToOpen(message, { header, sender: known, opening });
  // A basic device's key changes without notice.
  const mayBeStale = typeof first === "string" && known.kind === "bare";
  const fresh = mayBeStale && (await opening.directory.findSender(sender, { ...opening, isFresh: true }));
  const result = fresh ? await tryToOpen(message, { header, sender: fresh, opening }) : first;
  return typeof result === "string"
    ? unreadable(message, result, opening)
    : { message: toMessage(message, result, opening.me), header, refused: result.refused };
}

/** In the line of a message that is not opened; in a conversation's log it is shown where it stands. */
export function refuseMessage(
  message: Message,
  { log, reason, me }: { log: string; reason: UnreadableReason; me: Me },
): UnreadableMessage {
  // A conversation's own id names its log.
  const conversationId = log === me.userId ? message.conversationId : (log as ConversationId);
  return { ...baseOf(message, me), conversationId, kind: "unreadable", reason };
}

/** Undefined: not `sealed/v1` at all. */
export function parseHeader(ciphertext: string): SealedHeader | "malformed" | "oversize" | undefined {
  try {
    return parseSealedBody(ciphertext)?.header;
  } catch (error) {
    if (!(error instanceof SealedFormatError)) throw error;
    return error.code === "too_large" ? "oversize" : "malformed";
  }
}

async function tryToOpen(
  message: Message,
  { header, sender, opening }: { header: SealedHeader; sender: VerifiedSender; opening: Opening },
): Promise<OpenedEnvelope | UnreadableReason> {
  const { conversationId, senderUserId, senderDeviceId } = message;
  try {
    return await openEnvelope({
      body: message.ciphertext,
      wrap: message.wrap ?? "",
      // The server does not tell the sender's own id of a message; the signed header does.
      claims: { conversationId, senderUserId, senderDeviceId, messageId: header.messageId },
      sender,
      keys: opening.keys,
    });
  } catch (error) {
    if (error instanceof EnvelopeError) return error.code;
    throw error;
  }
}

function toMessage(
  message: Message,
  { payload, header, assurance, kem }: OpenedEnvelope,
  me: Me,
): ReceivedMessage {
  return { ...payload, ...baseOf(message, me), clientMessageId: header.messageId, assurance, kem };
}

/** What every kind of message tells. */
export function baseOf({ id, conversationId, senderUserId, senderDeviceId, sentAt }: Message, me: Me) {
  return { id, conversationId, senderUserId, senderDeviceId, sentAt, isOwn: senderUserId === me.userId };
}

function unreadable(message: Message, reason: UnreadableReason, { me }: Pick<Opening, "me">): OpenedMessage {
  return { message: { ...baseOf(message, me), kind: "unreadable", reason }, header: undefined };
}

import { createHash } from "node:crypto";
import {
  maxCiphertextBytes,
  userId as userIdSchema,
  type ConversationId,
  type DeviceId,
  type Message,
  type MessageId,
  type Recipient,
  type UserId,
} from "@sotto/schema";
import { brokenUniqueConstraint, type Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact, type Wakes } from "../../pipeline/transact.ts";
import { findDirect, findOrCreateDirect } from "../conversations/conversations.service.ts";
import { listDevicesOfUsers } from "../devices/devices.service.ts";
import { conversationLog, viewNewMessage, type StoredMessage } from "../logs/entries.ts";
import { findByDedupeKey, findSenderDevice, insertMessage } from "./messages.queries.ts";
import { requireCurrentDevices, requireMatchingHeader } from "./recipients.ts";

/** A device list may change between the check and the store; so often is the check made again. */
const maxRosterChecks = 5;

interface SendInput {
  recipientUserId: string;
  senderDeviceId: DeviceId;
  ciphertext: string;
  clientMessageId?: string | null | undefined;
  recipients?: Recipient[] | null | undefined;
}

/**
 * Stores a message once, however often it is sent with the same `clientMessageId`, and answers
 * after the commit. With `recipients`, nothing is stored unless they are the current devices.
 */
export async function sendDirect(call: Call, input: SendInput): Promise<Message> {
  const peer = parseRecipient(call, input.recipientUserId);
  if (Buffer.byteLength(input.ciphertext) > maxCiphertextBytes) throw new AppError("PAYLOAD_TOO_LARGE");
  try {
    return await transact(call, (tx, wakes) => store(call, tx, { ...input, peer, wakes }));
  } catch (error) {
    const first = mayBeRepeat(error) ? await findFirstAnswer(call, input, peer) : undefined;
    if (first) return first;
    throw error;
  }
}

function parseRecipient(call: Call, value: string): UserId {
  const parsed = userIdSchema.safeParse(value);
  if (!parsed.success) throw new AppError("RECIPIENT_ID_INVALID");
  if (parsed.data === call.caller.userId) throw new AppError("RECIPIENT_SELF");
  return parsed.data;
}

async function store(call: Call, tx: Tx, send: SendInput & { peer: UserId; wakes: Wakes }): Promise<Message> {
  const { app, caller } = call;
  const { peer, senderDeviceId, ciphertext } = send;
  await requireSenderDevice(call, tx, send);
  for (let check = 0; check < maxRosterChecks; check++) {
    const conversation = await findOrCreateDirect(app, tx, { me: caller.userId, peer });
    const wraps = await checkRecipients(tx, {
      ...send,
      conversationId: conversation.id,
      sender: caller.userId,
      now: app.now(),
    });
    const message = {
      id: app.newId<MessageId>(),
      conversationId: conversation.id,
      senderUserId: caller.userId,
      senderDeviceId,
      ciphertext,
      wraps,
    };
    const stored = await insertMessage(tx, {
      ...message,
      dedupeKey: hashDedupeKey(caller.userId, send),
      now: app.now(),
      rosterVersion: wraps && conversation.roster_version,
    });
    if (!stored) continue;
    const at = stored.sentAt.toISOString();
    return announce(call, send.wakes, {
      seq: stored.seq,
      message: { ...message, recipientUserId: peer, sentAt: at },
    });
  }
  throw new AppError("UNAVAILABLE");
}

/** `sender_device_id` is a device that this token published, or a label that names no device of the sender. */
async function requireSenderDevice(call: Call, tx: Tx, send: SendInput): Promise<void> {
  const { userId, sessionId } = call.caller;
  const device = await findSenderDevice(tx, { userId, sessionId, deviceId: send.senderDeviceId });
  const mustBeOwn = device.isRegistered || send.recipients;
  if (mustBeOwn && !device.isOwn) throw new AppError("DEVICE_INVALID");
}

async function checkRecipients(
  tx: Tx,
  send: SendInput & { conversationId: ConversationId; sender: UserId; peer: UserId; now: Date },
): Promise<Record<string, string> | null> {
  if (!send.recipients) return null;
  const devices = await listDevicesOfUsers(tx, [send.sender, send.peer]);
  const sealed = {
    conversationId: send.conversationId,
    senderUserId: send.sender,
    senderDeviceId: send.senderDeviceId,
    clientMessageId: send.clientMessageId ?? null,
    ciphertext: send.ciphertext,
    recipients: send.recipients,
    now: send.now,
  };
  const wraps = requireCurrentDevices(sealed, devices);
  requireMatchingHeader(sealed, devices);
  return wraps;
}

function announce(call: Call, wakes: Wakes, stored: { seq: number; message: StoredMessage }): Message {
  const { seq, message } = stored;
  wakes.push({
    kind: "entry",
    audience: [message.senderUserId, message.recipientUserId],
    entry: {
      log: conversationLog(message.conversationId),
      seq,
      at: message.sentAt,
      body: { type: "message.created", message },
    },
  });
  return viewNewMessage(message, call.caller);
}

/** The id was used before, or the lists moved on since a first send whose answer was lost. */
function mayBeRepeat(error: unknown): boolean {
  if (brokenUniqueConstraint(error) === "messages_once") return true;
  return (
    error instanceof AppError && (error.code === "DEVICE_LIST_STALE" || error.code === "ENVELOPE_REFUSED")
  );
}

/** What the first send with this `clientMessageId` was answered. Another content under the same id is refused. */
async function findFirstAnswer(call: Call, send: SendInput, peer: UserId): Promise<Message | undefined> {
  const { app, caller } = call;
  const dedupeKey = hashDedupeKey(caller.userId, send);
  const conversation = await findDirect(app.db, caller.userId, peer);
  if (!dedupeKey || !conversation) return undefined;
  const first = await findByDedupeKey(app.db, conversation.id, dedupeKey);
  if (!first) return undefined;
  if (first.ciphertext !== send.ciphertext) throw new AppError("CLIENT_MESSAGE_ID_REUSED");
  return {
    id: first.id,
    conversationId: conversation.id,
    senderUserId: caller.userId,
    senderDeviceId: send.senderDeviceId,
    recipientUserId: peer,
    ciphertext: first.ciphertext,
    wrap: null,
    delivered: false,
    read: false,
    sentAt: first.sent_at.toISOString(),
  };
}

/** Names (sender, device, clientMessageId) in 16 bytes, so that the unique index stays small. */
function hashDedupeKey(sender: UserId, send: SendInput): string | null {
  if (!send.clientMessageId) return null;
  const named = JSON.stringify([sender, send.senderDeviceId, send.clientMessageId]);
  return createHash("sha256").update(named).digest("hex").slice(0, 32);
}

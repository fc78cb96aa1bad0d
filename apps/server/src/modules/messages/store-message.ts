import { createHash } from "node:crypto";
import {
  maxCiphertextBytes,
  type ConversationId,
  type DeviceId,
  type Message,
  type MessageId,
  type Recipient,
  type UserId,
} from "@sotto/schema";
import type { Wake } from "../../bus/bus.ts";
import { brokenUniqueConstraint, type Db, type Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact, type Wakes } from "../../pipeline/transact.ts";
import { findListVersions } from "../device-lists/device-lists.service.ts";
import { listDevicesOfUsers } from "../devices/devices.service.ts";
import { conversationLog, viewNewMessage, type Audience, type StoredMessage } from "../logs/entries.ts";
import type { BatchedRow } from "./send-batch.queries.ts";
import { findByDedupeKey, findSenderDevice, insertMessage } from "./messages.queries.ts";
import { requireCurrentDevices, requireMatchingHeader } from "./recipients.ts";

/** Device lists, members and blocks may change between the check and the store; so often is the check made again. */
const maxChecks = 5;

export interface Outgoing {
  senderDeviceId: DeviceId;
  ciphertext: string;
  clientMessageId?: string | null | undefined;
  recipients?: Recipient[] | null | undefined;
}

/** The conversation as it was looked up for one try. */
export interface Target {
  conversationId: ConversationId;
  rosterVersion: number;
  rosterSeq: number;
  audience: Audience;
  /** Whose devices a sealed message is for. */
  listUsers: () => Promise<UserId[]>;
}

/** How to find where a message goes: within the transaction, and the conversation alone once it failed. */
export interface Finder {
  /** null: a group. */
  recipientUserId: UserId | null;
  /** null: a pair. */
  groupId: ConversationId | null;
  /** The target as it stands; undefined where there is none yet, or may not be sent to. */
  peek: () => Promise<Target | undefined>;
  find: (tx: Tx) => Promise<Target>;
  findConversation: () => Promise<ConversationId | undefined>;
}

/**
 * Stores a message once, however often it is sent with the same `clientMessageId`, and gives what the
 * first send gave. With `recipients`, nothing is stored unless they are the current devices.
 */
export async function storeMessage(call: Call, outgoing: Outgoing, finder: Finder): Promise<Message> {
  if (Buffer.byteLength(outgoing.ciphertext) > maxCiphertextBytes) throw new AppError("PAYLOAD_TOO_LARGE");
  try {
    const shared = call.idempotency ? undefined : await storeInLane(call, outgoing, finder);
    return shared ?? (await transact(call, (tx, wakes) => store(call, tx, { outgoing, wakes, finder })));
  } catch (error) {
    const first = mayBeRepeat(error) ? await findFirst(call, outgoing, finder) : undefined;
    // An `Idempotency-Key` that came with it stands for this answer from now on.
    if (first) return transact(call, async () => first);
    throw error;
  }
}

/** In a commit that other sends share; undefined when it was not stored there, whatever the reason. */
async function storeInLane(call: Call, outgoing: Outgoing, finder: Finder): Promise<Message | undefined> {
  const { app, caller } = call;
  const { recipientUserId, groupId } = finder;
  const target = outgoing.recipients ? await finder.peek() : undefined;
  if (outgoing.recipients && !target) return undefined;
  const wraps = target ? await checkRecipients(call, app.db, { outgoing, target }) : null;
  const message = {
    id: app.newId<MessageId>(),
    senderUserId: caller.userId,
    senderDeviceId: outgoing.senderDeviceId,
    ciphertext: outgoing.ciphertext,
    wraps,
  };
  const complete = ({ conversationId, sentAt }: BatchedRow): StoredMessage => ({
    ...message,
    conversationId,
    recipientUserId,
    sentAt: sentAt.toISOString(),
  });
  const row = await app.sendLane.store({
    ...message,
    sessionId: caller.sessionId,
    recipientUserId,
    groupId,
    dedupeKey: hashDedupeKey(caller.userId, outgoing),
    rosterVersion: target?.rosterVersion ?? null,
    describe: (stored) => {
      const { conversationId, rosterSeq } = stored;
      const audience = recipientUserId ? [caller.userId, recipientUserId] : { conversationId, rosterSeq };
      return wakeOf(complete(stored), stored.seq, audience);
    },
  });
  return row && viewNewMessage(complete(row), caller);
}

function wakeOf(message: StoredMessage, seq: number, audience: Audience): Wake {
  const log = conversationLog(message.conversationId);
  const entry = { log, seq, at: message.sentAt, body: { type: "message.created" as const, message } };
  return { kind: "entry", audience, entry };
}

async function store(
  call: Call,
  tx: Tx,
  send: { outgoing: Outgoing; wakes: Wakes; finder: Finder },
): Promise<Message> {
  const { app, caller } = call;
  const { outgoing, finder } = send;
  await requireSenderDevice(call, tx, outgoing);
  for (let check = 0; check < maxChecks; check++) {
    const target = await finder.find(tx);
    const wraps = await checkRecipients(call, tx, { outgoing, target });
    const message = {
      id: app.newId<MessageId>(),
      conversationId: target.conversationId,
      senderUserId: caller.userId,
      senderDeviceId: outgoing.senderDeviceId,
      ciphertext: outgoing.ciphertext,
      wraps,
    };
    const stored = await insertMessage(tx, {
      ...message,
      dedupeKey: hashDedupeKey(caller.userId, outgoing),
      now: app.now(),
      rosterVersion: wraps && target.rosterVersion,
      rosterSeq: target.rosterSeq,
    });
    if (!stored) continue;
    const sentAt = stored.sentAt.toISOString();
    const complete: StoredMessage = { ...message, recipientUserId: finder.recipientUserId, sentAt };
    send.wakes.push(wakeOf(complete, stored.seq, target.audience));
    return viewNewMessage(complete, caller);
  }
  throw new AppError("UNAVAILABLE");
}

/** `sender_device_id` is a device that this token published, or a label that names no device of the sender. */
async function requireSenderDevice(call: Call, tx: Tx, outgoing: Outgoing): Promise<void> {
  const { userId, sessionId } = call.caller;
  const device = await findSenderDevice(tx, { userId, sessionId, deviceId: outgoing.senderDeviceId });
  const mustBeOwn = device.isRegistered || outgoing.recipients;
  if (mustBeOwn && !device.isOwn) throw new AppError("DEVICE_INVALID");
}

async function checkRecipients(
  call: Call,
  db: Db | Tx,
  { outgoing, target }: { outgoing: Outgoing; target: Target },
): Promise<Record<string, string> | null> {
  if (!outgoing.recipients) return null;
  const devices = await listDevicesOfUsers(db, await target.listUsers());
  const byList = outgoing.recipients.filter(({ listVersion }) => listVersion !== undefined);
  const listVersions = await findListVersions(db, [...new Set(byList.map(({ userId }) => userId))]);
  const sealed = {
    listVersions,
    conversationId: target.conversationId,
    senderUserId: call.caller.userId,
    senderDeviceId: outgoing.senderDeviceId,
    clientMessageId: outgoing.clientMessageId ?? null,
    ciphertext: outgoing.ciphertext,
    recipients: outgoing.recipients,
    now: call.app.now(),
  };
  const wraps = requireCurrentDevices(sealed, devices);
  requireMatchingHeader(sealed, devices);
  return wraps;
}

/** What may have become true since a first send whose answer was lost. */
const refusalsOfRepeats = new Set([
  "DEVICE_LIST_STALE",
  "ENVELOPE_REFUSED",
  "GROUP_ARCHIVED",
  "GROUP_NOT_FOUND",
  "RECIPIENT_BLOCKED",
  "YOU_ARE_BLOCKED",
]);

function mayBeRepeat(error: unknown): boolean {
  if (brokenUniqueConstraint(error) === "messages_once") return true;
  return error instanceof AppError && refusalsOfRepeats.has(error.code);
}

/** What the first send with this `clientMessageId` stored. Another content under the same id is refused. */
async function findFirst(call: Call, outgoing: Outgoing, finder: Finder): Promise<Message | undefined> {
  const { app, caller } = call;
  const dedupeKey = hashDedupeKey(caller.userId, outgoing);
  const conversationId = dedupeKey === null ? undefined : await finder.findConversation();
  if (dedupeKey === null || !conversationId) return undefined;
  const first = await findByDedupeKey(app.db, conversationId, dedupeKey);
  if (!first) return undefined;
  // Of a deleted message the content is gone, and with it what to compare.
  if (!first.deleted_at && first.ciphertext !== outgoing.ciphertext) {
    throw new AppError("CLIENT_MESSAGE_ID_REUSED");
  }
  return {
    id: first.id,
    conversationId,
    senderUserId: caller.userId,
    senderDeviceId: outgoing.senderDeviceId,
    recipientUserId: finder.recipientUserId ?? caller.userId,
    ciphertext: outgoing.ciphertext,
    wrap: null,
    delivered: false,
    read: false,
    sentAt: first.sent_at.toISOString(),
  };
}

/** Names (sender, device, clientMessageId) in 16 bytes, so that the unique index stays small. */
function hashDedupeKey(sender: UserId, outgoing: Outgoing): string | null {
  if (!outgoing.clientMessageId) return null;
  const named = JSON.stringify([sender, outgoing.senderDeviceId, outgoing.clientMessageId]);
  return createHash("sha256").update(named).digest("hex").slice(0, 32);
}

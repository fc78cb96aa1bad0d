import type { ConversationId, DeviceId, MessageId, UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call, DeviceCaller } from "../../pipeline/call.ts";
import { transact, type Wakes } from "../../pipeline/transact.ts";
import { listIntervals, lockMembership } from "../conversations/conversations.service.ts";
import { requireDeviceOf } from "../devices/devices.service.ts";
import {
  ackMessages,
  ackThrough,
  listDeviceReceipts,
  readThrough,
  tellAuthors,
  type Acknowledged,
} from "../receipts/receipts.service.ts";
import type { MarkDevice, MarkKind } from "../receipts/receipts.tables.ts";
import { findVisibleMessage, type VisibleMessage } from "./messages.queries.ts";

interface Acks {
  wakes: Wakes;
  /** Message numbers by conversation. */
  seqs: Map<ConversationId, number[]>;
  kind: MarkKind;
  deviceId: MarkDevice;
}

/** Acknowledges messages in several conversations, in the order of their ids, and tells their authors. */
export async function acknowledge(call: Call, tx: Tx, acks: Acks): Promise<void> {
  const { userId } = call.caller;
  const at = call.app.now();
  const acknowledged: Acknowledged[] = [];
  for (const [conversationId, seqs] of [...acks.seqs].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    await lockMembership(tx, conversationId, userId);
    // Reading implies delivery.
    const kinds: MarkKind[] = acks.kind === "read" ? ["delivered", "read"] : ["delivered"];
    for (const kind of kinds) {
      const owner = { conversationId, userId, deviceId: acks.deviceId, kind };
      acknowledged.push(await ackMessages(tx, owner, { seqs, at }));
    }
  }
  await tellAuthors(tx, acks.wakes, { acknowledged, at });
}

/** Acknowledges one message for the token's device, or for the one that is named. */
export async function ackMessage(
  call: Call,
  ack: { messageId: MessageId; kind: MarkKind; deviceId?: DeviceId },
) {
  const { caller } = call;
  return transact(call, async (tx, wakes) => {
    const message = await findVisibleMessage(tx, caller.userId, ack.messageId);
    // The sender's own message was not sent to the sender.
    if (!message || message.senderUserId === caller.userId) throw new AppError("MESSAGE_NOT_FOUND");
    if (ack.deviceId !== undefined) await requireDeviceOf(tx, caller.userId, ack.deviceId);
    await acknowledge(call, tx, {
      wakes,
      seqs: new Map([[message.conversationId, [message.seq]]]),
      kind: ack.kind,
      deviceId: ack.deviceId ?? caller.deviceId ?? "",
    });
    return { detail: "ok" as const };
  });
}

/** Marks a message, and all before it in its conversation, read on the caller's device: two marks, however many. */
export async function ackReadThrough(call: Call<DeviceCaller>, messageId: MessageId) {
  const { userId, deviceId } = call.caller;
  const at = call.app.now();
  return transact(call, async (tx, wakes) => {
    const message = await findVisibleMessage(tx, userId, messageId);
    if (!message) throw new AppError("MESSAGE_NOT_FOUND");
    const { conversationId, seq: throughSeq } = message;
    await lockMembership(tx, conversationId, userId);
    const owner = { conversationId, userId, deviceId };
    const acknowledged = [
      await ackThrough(tx, { ...owner, kind: "delivered" }, { throughSeq, at }),
      await readThrough(tx, { ...owner, kind: "read" }, { throughSeq, at }),
    ];
    await tellAuthors(tx, wakes, { acknowledged, at });
    return { detail: "ok" as const };
  });
}

/** One row for every device of every recipient. */
export async function getReceipts(call: Call, messageId: MessageId) {
  const { db } = call.app;
  const message = await findVisibleMessage(db, call.caller.userId, messageId);
  if (!message) throw new AppError("MESSAGE_NOT_FOUND");
  const rows = await listDeviceReceipts(db, message, await listRecipients(db, message));
  return rows.map((row) => ({
    deviceId: row.deviceId,
    userId: row.userId,
    delivered: row.deliveredAt !== null,
    read: row.readAt !== null,
    deliveredAt: row.deliveredAt?.toISOString() ?? null,
    readAt: row.readAt?.toISOString() ?? null,
  }));
}

async function listRecipients(db: Db, message: VisibleMessage): Promise<UserId[]> {
  if (!message.isGroup) return [message.recipientUserId];
  const { conversationId, seq } = message;
  return coveringMembers(await listIntervals(db, conversationId, { fromSeq: seq, toSeq: seq }), message);
}

/** The members that a message was sent to: those who were in when it came, without its sender. */
export function coveringMembers(
  intervals: { user_id: UserId; from_seq: number; to_seq: number | null }[],
  message: { seq: number; senderUserId: UserId },
): UserId[] {
  return intervals
    .filter(
      ({ user_id, from_seq, to_seq }) =>
        user_id !== message.senderUserId && from_seq < message.seq && message.seq <= (to_seq ?? message.seq),
    )
    .map(({ user_id }) => user_id);
}

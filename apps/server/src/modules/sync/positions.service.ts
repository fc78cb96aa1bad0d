import type { ConversationId, LogId } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { Call, DeviceCaller } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { lockMembership } from "../conversations/conversations.service.ts";
import { ackThrough, tellAuthors, type Acknowledged } from "../receipts/receipts.service.ts";
import { accountLog } from "../logs/entries.ts";
import { listLogStates, raisePosition } from "../logs/logs.service.ts";

/**
 * Moves the device's positions to what its own store has committed. In a conversation that also
 * says "delivered up to here". A position beyond the end of a log counts as its end.
 */
export async function ackPositions(call: Call<DeviceCaller>, positions: { log: LogId; seq: number }[]) {
  const { app, caller } = call;
  const { userId, deviceId } = caller;
  const at = app.now();
  // In the order of their ids, so that two devices of a user wait and never deadlock.
  const ordered = positions.toSorted((a, b) => (a.log < b.log ? -1 : 1));
  return transact(call, async (tx, wakes) => {
    const acknowledged: Acknowledged[] = [];
    for (const { log, seq } of ordered) {
      const conversationId = log as string as ConversationId;
      const isAccount = log === accountLog(userId);
      if (!isAccount) await lockMembership(tx, conversationId, userId);
      const [state] = await listLogStates(tx, caller, log);
      if (!state) throw new AppError("LOG_NOT_FOUND");
      const throughSeq = Math.min(seq, state.lastSeq);
      if (!isAccount) {
        const owner = { conversationId, userId, deviceId, kind: "delivered" as const };
        acknowledged.push(await ackThrough(tx, owner, { throughSeq, at }));
      }
      await raisePosition(tx, { userId, deviceId, log, seq: throughSeq });
    }
    await tellAuthors(tx, wakes, { acknowledged, at });
    return { detail: "ok" as const };
  });
}

import type { Block, UserId } from "@sotto/schema";
import type { Db, Tx } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { transact } from "../../pipeline/transact.ts";
import { lockUsers } from "../accounts/users.service.ts";
import { setBlockFlag } from "../conversations/conversations.service.ts";
import { appendAccountEntries } from "../logs/logs.service.ts";
import { countBlocks, deleteBlock, insertBlock, listBlockedAmong, listBlocks } from "./blocks.queries.ts";

const maxBlocks = 10_000;

/**
 * Both users are locked: whoever makes their conversation, or adds one of them to a group, waits and
 * then sees the block. Once this has answered no message between the two is stored.
 */
export async function addBlock(call: Call, blockedUserId: UserId) {
  const { app, caller } = call;
  const { userId } = caller;
  if (blockedUserId === userId) throw new AppError("BLOCK_SELF");
  return transact(call, async (tx, wakes) => {
    const at = app.now();
    const locked = await lockUsers(tx, [userId, blockedUserId]);
    if (!locked.includes(blockedUserId)) throw new AppError("USER_NOT_FOUND");
    if (await insertBlock(tx, { userId, blockedUserId, at })) {
      if ((await countBlocks(tx, userId)) > maxBlocks) throw new AppError("BLOCK_LIMIT_REACHED");
      await setBlockFlag(tx, { by: userId, other: blockedUserId, isBlocked: true });
      await appendAccountEntries(tx, wakes, {
        userId,
        at,
        events: [{ type: "block.changed", userId: blockedUserId, isBlocked: true }],
      });
    }
    return { detail: "ok" as const };
  });
}

export async function removeBlock(call: Call, blockedUserId: UserId) {
  const { app, caller } = call;
  const { userId } = caller;
  return transact(call, async (tx, wakes) => {
    await lockUsers(tx, [userId, blockedUserId]);
    if (await deleteBlock(tx, { userId, blockedUserId })) {
      await setBlockFlag(tx, { by: userId, other: blockedUserId, isBlocked: false });
      await appendAccountEntries(tx, wakes, {
        userId,
        at: app.now(),
        events: [{ type: "block.changed", userId: blockedUserId, isBlocked: false }],
      });
    }
    return { detail: "ok" as const };
  });
}

export async function getBlocks(call: Call): Promise<Block[]> {
  const rows = await listBlocks(call.app.db, call.caller.userId, maxBlocks);
  return rows.map((row) => ({
    blockedUserId: row.blocked_user_id,
    createdAt: row.created_at.toISOString(),
  }));
}

/**
 * Those of `others` with whom a block stands, either way. In a transaction that must hold to its
 * end: after `holdUsers` of all of them.
 */
export async function findBlocksBetween(db: Db | Tx, userId: UserId, others: UserId[]): Promise<UserId[]> {
  return others.length === 0 ? [] : listBlockedAmong(db, userId, others);
}

/** Whether a block stands between the two, either way. */
export async function isBlockBetween(db: Db | Tx, first: UserId, second: UserId): Promise<boolean> {
  return (await findBlocksBetween(db, first, [second])).length > 0;
}

import type { AccountEvent, ConversationEvent, ConversationId, UserId } from "@sotto/schema";
import type { Tx } from "../../db/db.ts";
import type { Wakes } from "../../pipeline/transact.ts";
import { accountLog, conversationLog } from "./entries.ts";
import { insertAccountEntries, insertConversationEntry } from "./logs.queries.ts";

export {
  deletePositionsOfDevice as deletePositions,
  insertStartPositions as startPositions,
  listAccountEntries,
  listLogEnds,
  listLogStates,
  pruneAccountEntries,
  raisePosition,
  type LogState,
} from "./logs.queries.ts";

/** Writes entries of a user's account log, in the transaction of the change they tell of. */
export async function appendAccountEntries(
  tx: Tx,
  wakes: Wakes,
  { userId, at, events }: { userId: UserId; at: Date; events: AccountEvent[] },
): Promise<void> {
  const first = await insertAccountEntries(tx, { userId, at, events });
  for (const [i, body] of events.entries()) {
    const entry = { log: accountLog(userId), seq: first + i, at: at.toISOString(), body };
    wakes.push({ kind: "entry", audience: [userId], entry });
  }
}

interface NewEntry {
  conversationId: ConversationId;
  at: Date;
  event: ConversationEvent;
  /** The entry changes the members; `left`: who is told of it for the last time. */
  roster?: { left: UserId[] };
}

/**
 * Writes an entry of a conversation's log, in the transaction of the change it tells of, and takes the
 * conversation's row lock. Gives its number. Whoever joins with it sees from `seq - 1`, whoever leaves to `seq`.
 */
export async function appendConversationEntry(tx: Tx, wakes: Wakes, entry: NewEntry): Promise<number> {
  const { conversationId, event, roster } = entry;
  const numbered = await insertConversationEntry(tx, { ...entry, changesRoster: roster !== undefined });
  const { seq, isGroup, userA, userB, rosterSeq } = numbered;
  wakes.push({
    kind: "entry",
    audience: isGroup ? { conversationId, rosterSeq, left: roster?.left ?? [] } : [userA, userB],
    entry: { log: conversationLog(conversationId), seq, at: numbered.at.toISOString(), body: event },
  });
  return seq;
}

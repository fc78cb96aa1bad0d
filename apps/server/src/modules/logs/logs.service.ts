import type { UserId } from "@sotto/schema";
import type { Tx } from "../../db/db.ts";
import type { Wakes } from "../../pipeline/transact.ts";
import { accountLog, type AccountEvent } from "./entries.ts";
import { insertAccountEntries } from "./logs.queries.ts";

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

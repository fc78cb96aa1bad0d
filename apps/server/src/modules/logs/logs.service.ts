import type { UserId } from "@sotto/schema";
import type { Tx } from "../../db/db.ts";
import type { Wakes } from "../../pipeline/transact.ts";
import { accountLog, type AccountEvent } from "./entries.ts";
import { insertAccountEntry } from "./logs.queries.ts";

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

/** Writes one entry of a user's account log, in the transaction of the change it tells of. */
export async function appendAccountEntry(
  tx: Tx,
  wakes: Wakes,
  entry: { userId: UserId; at: Date; event: AccountEvent },
): Promise<void> {
  const seq = await insertAccountEntry(tx, entry);
  wakes.push({
    kind: "entry",
    audience: [entry.userId],
    entry: { log: accountLog(entry.userId), seq, at: entry.at.toISOString(), body: entry.event },
  });
}

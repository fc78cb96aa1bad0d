import { maxFillEntries, type Entry, type LogId } from "@sotto/schema";
import type { Db } from "../../db/db.ts";
import { AppError } from "../../errors.ts";
import type { Call, DeviceCaller } from "../../pipeline/call.ts";
import { accountLog, viewEntry, type LogEntry, type Reader } from "../logs/entries.ts";
import { listAccountEntries, listLogStates } from "../logs/logs.service.ts";
import { readConversationLog } from "../messages/stored-messages.service.ts";

/** Entries of one log that the reader may see, in order. A device's wraps alone leave the database. */
export async function readEntries(
  db: Db,
  reader: Reader,
  range: { log: LogId; afterSeq: number; throughSeq?: number; limit: number },
): Promise<LogEntry[]> {
  if (range.log !== accountLog(reader.userId)) return readConversationLog(db, reader, range);
  const { log, ...rest } = range;
  const rows = await listAccountEntries(db, { userId: reader.userId, ...rest });
  return rows.map((row) => ({ log, seq: row.seq, at: row.at.toISOString(), body: row.event }));
}

/** Entries by their numbers, for a hole in a live stream. */
export async function fillHole(
  call: Call<DeviceCaller>,
  hole: { log: LogId; fromSeq: number; toSeq: number },
): Promise<{ entries: Entry[] }> {
  const { app, caller } = call;
  const [state] = await listLogStates(app.db, caller, hole.log);
  if (!state) throw new AppError("LOG_NOT_FOUND");
  const entries = await readEntries(app.db, caller, {
    log: hole.log,
    afterSeq: hole.fromSeq - 1,
    throughSeq: hole.toSeq,
    limit: maxFillEntries,
  });
  return { entries: entries.map((entry) => viewEntry(entry, caller)) };
}

/** How far a log reaches for the caller, and where its device is in it. */
export async function getLog(call: Call<DeviceCaller>, log: LogId) {
  const [state] = await listLogStates(call.app.db, call.caller, log);
  if (!state) throw new AppError("LOG_NOT_FOUND");
  const { startSeq, position, lastSeq } = state;
  return { startSeq, position, lastSeq };
}

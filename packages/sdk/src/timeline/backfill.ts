import { type ConversationId, type LogId, maxFillEntries } from "@sotto/schema";
import { countOthers } from "../messages/participants.ts";
import { SottoError } from "../errors.ts";
import { openMessage, refuseMessage } from "../messages/open-message.ts";
import { isFromThisDevice, readOwn } from "../messages/read-own.ts";
import type { ReceivedMessage } from "../messages/received-message.ts";
import type { Session } from "../session.ts";
import { Draft } from "../storage/draft.ts";
import { type SyncEntry, parseFilled } from "../sync/sync-event.ts";
import { Placing } from "./place.ts";
import { type StoredConversation, conversationRecord } from "./records.ts";

/**
 * Brings what is older than what is stored, one page of the log, into the store. Nothing in it is judged against the
 * replay windows, which only move forward: a message that is there already is not shown again. False: there is no more.
 */
export async function backfill(session: Session, id: ConversationId, signal: AbortSignal): Promise<boolean> {
  const conversation = await conversationRecord.get(session.store, id);
  if (!conversation) return false;
  const { floor, start } = await findEdge(session, { id, conversation }, signal);
  if (floor <= start) return false;
  // A conversation's own id names its log.
  const range = {
    log: id as string as LogId,
    fromSeq: Math.max(start + 1, floor - maxFillEntries + 1),
    toSeq: floor,
  };
  const answer: unknown = await session.api.call(
    (server, options) => server.sync.fill.query(range, options),
    signal,
  );
  const entries = parseFilled(answer, session.me.userId).filter(
    ({ log, seq }) => log === range.log && seq >= range.fromSeq && seq <= floor,
  );
  const opened = await Promise.all(
    entries.map((entry) => open(session, { entry, id, conversation }, signal)),
  );
  await session.turns.run(async () => {
    const draft = new Draft(session.store);
    const placing = new Placing(draft, { source: "past", me: session.me });
    for (const one of opened) await place(session, { ...one, id }, { draft, placing });
    const present = (await conversationRecord.get(draft, id)) ?? conversation;
    draft.put(conversationRecord.put([id], { ...present, start, floor: range.fromSeq - 1 }));
    await session.store.commit(draft.writes);
  });
  return range.fromSeq - 1 > start;
}

/** Where the store's part of the log begins, and where the log does for this user. */
async function findEdge(
  { api }: Session,
  { id, conversation }: { id: ConversationId; conversation: StoredConversation },
  signal: AbortSignal,
): Promise<{ floor: number; start: number }> {
  const { floor, start } = conversation;
  if (floor !== null && (start !== null || floor === 0)) return { floor, start: start ?? 0 };
  const log = id as string as LogId;
  const state = await api.call((server, options) => server.sync.log.query({ log }, options), signal);
  const { startSeq: begin, position, lastSeq } = state;
  // What is kept of this would shut out history for good.
  if (begin > position || position > lastSeq) throw new SottoError("BAD_ANSWER");
  return { floor: floor ?? position, start: begin };
}

interface Opened {
  entry: SyncEntry;
  /** Of another device; of any device, refused. */
  message: ReceivedMessage | undefined;
  /** Of a message of this user's: for how many others it is; null: not known. */
  recipients?: number | null | undefined;
}

async function open(
  session: Session,
  { entry, id, conversation }: { entry: SyncEntry; id: ConversationId; conversation: StoredConversation },
  signal: AbortSignal,
): Promise<Opened> {
  const { me, account, directory } = session;
  const { event, refused } = entry;
  if (event?.type !== "message.created") return { entry, message: undefined };
  if (refused) return { entry, message: refuseMessage(event.message, { log: id, reason: refused, me }) };
  if (isFromThisDevice(event.message, me)) return { entry, message: undefined };
  const { message, header } = await openMessage(event.message, { me, keys: account.keys, directory, signal });
  if (header?.class === "control") return { entry, message: undefined };
  const recipients = message.isOwn ? await countOthers(session, { id, ...conversation }, signal) : undefined;
  return { entry, message, recipients };
}

/** In a turn, without network. */
async function place(
  { me }: Session,
  { entry: { event, seq, at }, message, recipients, id }: Opened & { id: ConversationId },
  { draft, placing }: { draft: Draft; placing: Placing },
): Promise<void> {
  const where = { conversationId: id, seq, at };
  if (event?.type !== "message.created") {
    if (event) await placing.told(event, where);
    return;
  }
  if (message) await placing.message(message, where, { recipients });
  else if (isFromThisDevice(event.message, me)) {
    const own = await readOwn(draft, event.message, me);
    draft.put(...own.writes);
    await placing.message(own.message, where, own.known);
  }
}

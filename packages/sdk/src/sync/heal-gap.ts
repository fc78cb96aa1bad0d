import type { ConversationId, MessageId } from "@sotto/schema";
import * as z from "zod/mini";
import type { Session } from "../session.ts";
import { Draft } from "../storage/draft.ts";
import { defineRecord } from "../storage/records.ts";
import type { StoreWrite } from "../storage/store.ts";
import { Placing } from "../timeline/place.ts";
import { type StoredConversation, conversationRecord, messageRecord } from "../timeline/records.ts";
import { tellTouched } from "../timeline/tell-touched.ts";
import type { Gap } from "./sync-machine.ts";

/** Of each conversation, how many of the newest messages are looked up again. */
const newestMessages = 100;

/** Gaps whose loss is not made good yet, by log. */
const gapRecord = defineRecord(
  "gap",
  z.object({ prunedFrom: z.nullable(z.number()), prunedThrough: z.number() }),
);

/** To be committed with the position behind the gap. */
export function gapWrite({ log, prunedFrom, prunedThrough }: Gap): StoreWrite {
  return gapRecord.put([log], { prunedFrom, prunedThrough });
}

/**
 * Takes what a gap in the account log has swallowed from where it is kept: this user's devices, and who has received or
 * read this user's newest messages. Does nothing without a gap. Throws what calls throw: then it is to be done again.
 */
export async function healGaps(session: Session, signal: AbortSignal): Promise<void> {
  const { store, directory, identity, me } = session;
  const gaps = await gapRecord.list(store);
  if (gaps.length === 0) return;
  directory.forget(me.userId);
  await identity.check(signal);
  for (const { path, value } of await conversationRecord.list(store)) {
    // The path's first part is what the record was put under.
    await refetchReceipts(session, { id: path[0] as ConversationId, conversation: value }, signal);
  }
  await store.commit(gaps.map(({ path: [log = ""] }) => gapRecord.remove(log)));
}

async function refetchReceipts(
  session: Session,
  { id, conversation }: { id: ConversationId; conversation: StoredConversation },
  signal: AbortSignal,
): Promise<void> {
  const { api, store, turns, me } = session;
  const newest = await messageRecord.list(store, [id], { isReversed: true, limit: newestMessages });
  const open = newest.flatMap(({ value: { id: messageId, receipts } }) =>
    messageId !== null && receipts && receipts.read < (receipts.recipients ?? 1) ? [messageId] : [],
  );
  const seen: Seen[] = [];
  if (open.length > 0 && !conversation.isGroup) {
    const page = { conversationId: id, limit: newestMessages };
    const { messages } = await api.call(
      (server, options) => server.messages.history.query(page, options),
      signal,
    );
    const peerUserId = conversation.peerUserId ?? me.userId;
    for (const { id: messageId, delivered: isDelivered, read: isRead } of messages)
      if (open.includes(messageId)) seen.push({ messageId, userId: peerUserId, isDelivered, isRead });
  } else {
    for (const messageId of open) seen.push(...(await askReceipts(session, messageId, signal)));
  }
  const touched = await turns.run(async () => {
    const draft = new Draft(store);
    const placing = new Placing(draft, { source: "past", me });
    for (const { messageId, userId, isDelivered, isRead } of seen) {
      if (isDelivered) await placing.receipt(messageId, "delivered", userId);
      if (isRead) await placing.receipt(messageId, "read", userId);
    }
    await store.commit(draft.writes);
    return placing.touched;
  });
  await tellTouched(session, touched);
}

interface Seen {
  messageId: MessageId;
  userId: Session["me"]["userId"];
  isDelivered: boolean;
  isRead: boolean;
}

async function askReceipts({ api, me }: Session, messageId: MessageId, signal: AbortSignal): Promise<Seen[]> {
  const receipts = await api.call(
    (server, options) => server.messages.receipts.query({ messageId }, options),
    signal,
  );
  return receipts.flatMap(({ userId, delivered: isDelivered, read: isRead }) =>
    userId === me.userId ? [] : [{ messageId, userId, isDelivered, isRead }],
  );
}

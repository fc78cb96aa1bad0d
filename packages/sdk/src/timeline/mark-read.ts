import type { ConversationId, MessageId } from "@sotto/schema";
import type { Destination } from "../messages/destination.ts";
import type { Session } from "../session.ts";
import { Draft } from "../storage/draft.ts";
import { findPlace, summarize } from "./read-timeline.ts";
import { conversationRecord, messageRecord } from "./records.ts";

const pageSize = 200;

/** Counts what is stored up to a number as read, here and then for the senders. */
export async function markRead(
  session: Session,
  { to, throughSeq }: { to: Destination; throughSeq: number | undefined },
  signal?: AbortSignal,
): Promise<void> {
  const { conversationId } = await findPlace(session, to);
  if (conversationId === undefined) return;
  const last = await session.turns.run(() => readThrough(session, conversationId, throughSeq));
  const summary = session.events.has("conversation") ? await summarize(session, conversationId) : undefined;
  if (summary) session.events.emit("conversation", summary);
  if (last === undefined) return;
  await session.api.call(
    (server, options) => server.messages.ackReadThrough.mutate({ messageId: last }, options),
    signal,
  );
}

/** Gives the last message of others that is read now. */
async function readThrough(
  { store, me }: Session,
  id: ConversationId,
  throughSeq: number | undefined,
): Promise<MessageId | undefined> {
  const conversation = await conversationRecord.get(store, id);
  if (!conversation) return undefined;
  const through = throughSeq ?? conversation.lastSeq;
  const draft = new Draft(store);
  let { unreadCount } = conversation;
  let last: MessageId | undefined;
  // Newest first; what was read before has nothing unread below it.
  for (let before = through + 1; before > 0;) {
    const page = await messageRecord.list(store, [id], {
      isReversed: true,
      limit: pageSize,
      after: [id, before],
    });
    for (const { path, value } of page) {
      before = Number(path[1]);
      if (value.senderUserId !== me.userId) last ??= value.id ?? undefined;
      if (!value.isUnread) continue;
      unreadCount--;
      draft.put(messageRecord.put([id, before], { ...value, isUnread: false }));
    }
    const isDone = page.length < pageSize || unreadCount <= 0 || before <= conversation.readThrough;
    if (isDone && last !== undefined) break;
    if (page.length < pageSize) break;
  }
  const readThroughSeq = Math.max(conversation.readThrough, through);
  draft.put(
    conversationRecord.put([id], {
      ...conversation,
      unreadCount: Math.max(0, unreadCount),
      readThrough: readThroughSeq,
    }),
  );
  await store.commit(draft.writes);
  return last;
}

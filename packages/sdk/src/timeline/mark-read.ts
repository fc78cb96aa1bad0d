import type { ConversationId, MessageId } from "@sotto/schema";
import * as z from "zod/mini";
import type { Me } from "../identity/account.ts";
import type { Destination } from "../messages/destination.ts";
import type { Session } from "../session.ts";
import { Draft } from "../storage/draft.ts";
import { defineRecord } from "../storage/records.ts";
import { type LineName, findPlace, findSeq } from "./read-timeline.ts";
import { conversationRecord, messageRecord } from "./records.ts";

const pageSize = 200;

/** What another device has read of conversations that this one has not seen yet. */
const readElsewhereRecord = defineRecord("read-elsewhere", z.number());

/** Counts what is stored up to a line as read, here and then for the senders. */
export async function markRead(
  session: Session,
  { to, upTo }: { to: Destination; upTo: LineName | undefined },
  signal?: AbortSignal,
): Promise<void> {
  const { conversationId } = await findPlace(session, to);
  if (conversationId === undefined) return;
  const throughSeq = upTo && (await findSeq(session, conversationId, upTo));
  const last = await session.turns.run(() => readThrough(session, conversationId, throughSeq));
  await session.tell({ type: "read", conversationId });
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
  const draft = new Draft(store);
  const last = await placeRead(draft, { id, me, throughSeq: throughSeq ?? conversation.lastSeq });
  await store.commit(draft.writes);
  return last;
}

/** Another device of this user's has read that far. */
export async function placeReadElsewhere(
  draft: Draft,
  read: { id: ConversationId; me: Me; throughSeq: number },
): Promise<void> {
  if (await conversationRecord.get(draft, read.id)) await placeRead(draft, read);
  else draft.put(readElsewhereRecord.put([read.id], read.throughSeq));
}

/** Of a conversation that is made here now: up to where another device has read it already. */
export async function takeReadElsewhere(draft: Draft, id: ConversationId): Promise<number> {
  const throughSeq = await readElsewhereRecord.get(draft, id);
  if (throughSeq === undefined) return 0;
  draft.put(readElsewhereRecord.remove(id));
  return throughSeq;
}

async function placeRead(
  draft: Draft,
  { id, me, throughSeq: through }: { id: ConversationId; me: Me; throughSeq: number },
): Promise<MessageId | undefined> {
  const conversation = await conversationRecord.get(draft, id);
  if (!conversation) return undefined;
  let { unreadCount } = conversation;
  let last: MessageId | undefined;
  // Newest first; what was read before has nothing unread below it.
  for (let before = through + 1; before > 0;) {
    const page = await messageRecord.list(draft, [id], {
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
  return last;
}

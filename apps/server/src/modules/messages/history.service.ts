import type { ConversationId, DeviceId, Message } from "@sotto/schema";
import type { Call } from "../../pipeline/call.ts";
import { listNewestImported, type ImportedRow } from "../archive/imports.service.ts";
import { requireMember } from "../conversations/conversations.service.ts";
import { listMessagesAfter, listNewestMessages } from "./messages.queries.ts";
import { withFlags } from "./messages.service.ts";
import { earlierPlace, findPlaceBefore, findPlacesBetween } from "./places.ts";
import { readerKey } from "./stored-messages.service.ts";

interface Search {
  conversationId: ConversationId;
  before?: string | null | undefined;
  since?: string | null | undefined;
  until?: string | null | undefined;
  senderDeviceId?: DeviceId | null | undefined;
  hasAttachments?: boolean | null | undefined;
  limit: number;
}

/** A page of a conversation: the newest messages that match, the oldest of them first. */
export async function searchMessages(call: Call, search: Search): Promise<{ messages: Message[] }> {
  const { app, caller } = call;
  const { conversationId, senderDeviceId, hasAttachments, limit } = search;
  await requireMember(call, conversationId);
  const { start, end } = await findPlacesBetween(call, conversationId, search);
  const before = earlierPlace(end, await findPlaceBefore(call, conversationId, search.before));
  const owner = { userId: caller.userId, conversationId };
  const [rows, imported] = await Promise.all([
    listNewestMessages(app.db, readerKey(caller), {
      conversationId,
      senderDeviceId,
      hasAttachments,
      fromSeq: start.seq,
      beforeSeq: before.seq,
      limit,
    }),
    // What was imported has no attachments.
    hasAttachments
      ? []
      : listNewestImported(app.db, owner, { before, since: start.at, senderDeviceId, limit }),
  ]);
  const messages = await withFlags(app.db, caller.userId, rows.toReversed());
  return { messages: mergeByTime(imported.toReversed().map(toImported), messages).slice(-limit) };
}

/** The order of `Place`: the sort is stable, so that at the same time the imported ones stay first. */
function mergeByTime(imported: Message[], messages: Message[]): Message[] {
  if (imported.length === 0) return messages;
  return [...imported, ...messages].toSorted((a, b) => Date.parse(a.sentAt) - Date.parse(b.sentAt));
}

/** Whoever imported it has it. */
export function toImported({ sentAt, ...row }: ImportedRow): Message {
  return { ...row, delivered: true, read: true, sentAt: sentAt.toISOString() };
}

/** A conversation's own messages up to a number, page by page, the oldest first, without deleted ones. */
export async function* readOwnMessages(
  call: Call,
  range: { conversationId: ConversationId; throughSeq: number; pageSize: number },
): AsyncGenerator<Message, void> {
  const { app, caller } = call;
  const { conversationId, throughSeq, pageSize: limit } = range;
  for (let afterSeq = 0; ;) {
    const page = { conversationId, afterSeq, throughSeq, limit };
    const rows = await listMessagesAfter(app.db, readerKey(caller), page);
    yield* await withFlags(app.db, caller.userId, rows);
    const last = rows.at(-1);
    if (!last || rows.length < limit) return;
    afterSeq = last.seq;
  }
}

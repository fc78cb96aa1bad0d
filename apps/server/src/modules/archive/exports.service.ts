import { toSnakeKeys, type Attachment, type ConversationId, type Export, type Message } from "@sotto/schema";
import type { Call, DownloadAnswer } from "../../pipeline/call.ts";
import { readAttachments } from "../attachments/attachments.service.ts";
import { findLogEnd, requireMember } from "../conversations/conversations.service.ts";
import { readOwnMessages, toImported } from "../messages/history.service.ts";
import { startPlace } from "../messages/places.ts";
import { listImportedAfter, type ImportPoint } from "./archive.queries.ts";

/** So many of the largest messages are held at a time, 25 MiB. */
const pageSize = 100;
/** So many messages are asked for their attachments at a time. */
const attachmentsWindow = 1_000;
/** Written to the socket at a time, in characters. */
const chunkSize = 65_536;

/**
 * Writes all that the caller may see of a conversation as it was at the start, page by page and as
 * fast as it is taken: a million messages need no more memory than a page.
 */
export async function exportConversation(
  call: Call,
  conversationId: ConversationId,
): Promise<DownloadAnswer<Export>> {
  await requireMember(call, conversationId);
  const end = await findLogEnd(call.app.db, conversationId);
  return {
    kind: "stream",
    contentType: "application/json; charset=utf-8",
    filename: `conversation-${conversationId}.json`,
    open: () => inChunks(writeExport(call, conversationId, end)),
  };
}

async function* writeExport(
  call: Call,
  conversationId: ConversationId,
  end: { is_group: boolean; last_seq: number },
): AsyncGenerator<string, void> {
  const own = readOwnMessages(call, { conversationId, throughSeq: end.last_seq, pageSize });
  const messages = mergeByTime(readImported(call, conversationId), own);
  yield `{"version":1,"conversation_id":"${conversationId}","is_group":${end.is_group},"messages":[`;
  yield* writeList(messages);
  yield `],"attachments":[`;
  yield* writeList(readAllAttachments(call, conversationId, end.last_seq));
  yield `]}`;
}

/** In the order of their messages. Of the bytes those of one are held at a time. */
async function* readAllAttachments(
  call: Call,
  conversationId: ConversationId,
  lastSeq: number,
): AsyncGenerator<Attachment, void> {
  for (let afterSeq = 0; afterSeq < lastSeq; afterSeq += attachmentsWindow) {
    const throughSeq = Math.min(afterSeq + attachmentsWindow, lastSeq);
    yield* readAttachments(call.app, call.caller.userId, { conversationId, afterSeq, throughSeq });
  }
}

/** The items of a JSON list, one a line. */
async function* writeList(items: AsyncIterable<object>): AsyncGenerator<string, void> {
  let separator = "\n";
  for await (const item of items) {
    yield separator + JSON.stringify(toSnakeKeys(item));
    separator = ",\n";
  }
}

async function* readImported(call: Call, conversationId: ConversationId): AsyncGenerator<Message, void> {
  const owner = { userId: call.caller.userId, conversationId };
  for (let after: ImportPoint = startPlace; ;) {
    const rows = await listImportedAfter(call.app.db, owner, { after, limit: pageSize });
    yield* rows.map(toImported);
    const last = rows.at(-1);
    if (!last || rows.length < pageSize) return;
    after = { at: last.sentAt, id: last.id };
  }
}

/** The order of `Place`: at the same time the imported ones first. */
async function* mergeByTime(
  imported: AsyncGenerator<Message, void>,
  own: AsyncGenerator<Message, void>,
): AsyncGenerator<Message, void> {
  let [first, second] = [await imported.next(), await own.next()];
  while (!first.done || !second.done) {
    const isImported =
      !first.done && (second.done || Date.parse(first.value.sentAt) <= Date.parse(second.value.sentAt));
    if (isImported && !first.done) {
      yield first.value;
      first = await imported.next();
    } else if (!second.done) {
      yield second.value;
      second = await own.next();
    }
  }
}

/** Joins small texts: each that is given on costs a turn of the event loop and a write. */
async function* inChunks(texts: AsyncIterable<string>): AsyncGenerator<string, void> {
  let chunk = "";
  for await (const text of texts) {
    chunk += text;
    if (chunk.length < chunkSize) continue;
    yield chunk;
    chunk = "";
  }
  yield chunk;
}

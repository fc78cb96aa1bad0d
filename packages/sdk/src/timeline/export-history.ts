/** The history as a file for its user: JSON Lines (docs/SDK.md, "Export"). */
import { throwIfAborted } from "../errors.ts";
import { type ConversationId, conversationId, encodeBase64url } from "@sotto/schema";
import type { ExportOptions } from "../conversations.ts";
import { listUnplaced } from "../messages/outgoing-queue.ts";
import type { Session } from "../session.ts";
import { type Message, type MessageContent, toMessage } from "./message.ts";
import { withPending } from "./pending-changes.ts";
import { destinationOf, toLines } from "./read-timeline.ts";
import { type StoredConversation, conversationRecord, messageRecord } from "./records.ts";

type Reading = Pick<Session, "store" | "me" | "now">;

const pageSize = 64;

/** Made as it is read: of the messages no more than a page is in memory. */
export function exportHistory(reading: Reading, options: ExportOptions): ReadableStream<Uint8Array> {
  const parts = partsOf(reading, options);
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value.map((line) => `${JSON.stringify(line)}\n`).join("")));
    },
    async cancel() {
      await parts.return();
    },
  });
}

async function* partsOf(
  reading: Reading,
  { nameOf, onProgress, signal }: ExportOptions,
): AsyncGenerator<object[], void, undefined> {
  const { store, me, now } = reading;
  const nameIn = (userId: string | null) => (userId === null ? null : (nameOf?.(userId) ?? null));
  yield [{ type: "export", format: "sotto-export/v1", userId: me.userId, exportedAt: toTime(now()) }];
  const listed = await conversationRecord.list(store);
  const progress = { conversations: 0, totalConversations: listed.length, messages: 0 };
  for (const { path, value: conversation } of listed) {
    const id = conversationId.parse(path[0]);
    const { isGroup, peerUserId, name } = conversation;
    yield [{ type: "conversation", id, isGroup, peerUserId, name: name ?? nameIn(peerUserId) }];
    for await (const page of messagesOf(reading, { id, conversation })) {
      throwIfAborted(signal);
      progress.messages += page.length;
      yield page.map((message) => ({
        type: "message",
        conversationId: id,
        seq: message.seq,
        id: message.id,
        clientMessageId: message.clientMessageId,
        senderUserId: message.senderUserId,
        senderName: nameIn(message.senderUserId),
        isOwn: message.isOwn,
        sentAt: message.sentAt,
        state: message.state,
        content: contentOf(message.content),
        editedAt: message.editedAtMs === null ? null : toTime(message.editedAtMs),
        reactions: message.reactions,
      }));
      onProgress?.({ ...progress });
    }
    progress.conversations++;
    onProgress?.({ ...progress });
  }
  const { conversations, messages } = progress;
  yield [{ type: "end", conversations, messages }];
}

/** Oldest first; what has no place in the log yet comes last. */
async function* messagesOf(
  { store, me }: Reading,
  { id, conversation }: { id: ConversationId; conversation: StoredConversation },
): AsyncGenerator<Message[]> {
  const { peerUserId } = conversation;
  for (let after = 0; ;) {
    const unplaced = await listUnplaced(store, destinationOf(id, conversation));
    const stored = await messageRecord.list(store, [id], { after: [id, after], limit: pageSize });
    const page = stored.map(({ path, value }) =>
      toMessage(withPending(value, unplaced, me), {
        conversationId: id,
        peerUserId,
        seq: Number(path[1]),
        me,
      }),
    );
    if (stored.length < pageSize) {
      // One of those may have got its place meanwhile.
      const keys = new Set(page.map(({ key }) => key));
      yield [...page, ...toLines(unplaced, me).filter(({ key }) => !keys.has(key))];
      return;
    }
    yield page;
    after = Number(stored.at(-1)?.path[1]);
  }
}

/** Of a file what names it, and not the key that opens it. */
function contentOf(content: MessageContent): object {
  switch (content.kind) {
    case "file": {
      const { ageIdentity: _key, thumbnail: _image, ciphertextSha256, ...file } = content;
      return { ...file, ciphertextSha256: encodeBase64url(ciphertextSha256) };
    }
    case "unknown":
      return { ...content, bytes: encodeBase64url(content.bytes) };
    default:
      return content;
  }
}

/** RFC 3339. A sender's clock may be anywhere: what no date can hold is left out. */
function toTime(ms: number): string | null {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

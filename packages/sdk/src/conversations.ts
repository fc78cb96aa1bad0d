import { conversationId as conversationIdSchema, userId } from "@sotto/schema";
import {
  type CallOptions,
  type Conversation,
  type ConversationOptions,
  checkLimit,
  createConversation,
  defaultPageSize,
} from "./conversation.ts";
import { invalidInput } from "./errors.ts";
import type { Inbox } from "./messages/inbox.ts";
import type { Outbox } from "./messages/outbox.ts";
import type { Session } from "./session.ts";
import { exportHistory } from "./timeline/export-history.ts";
import { loadConversations } from "./timeline/load-conversations.ts";
import type { Message } from "./timeline/message.ts";
import {
  type ConversationSummary,
  ageOf,
  destinationOf,
  searchTimeline,
  summarizeRead,
} from "./timeline/read-timeline.ts";
import { conversationRecord } from "./timeline/records.ts";

/** The parts that live as long as someone is signed in. */
export interface SignedIn {
  session: Session;
  outbox: Outbox;
  inbox: Inbox;
}
export type GetSession = () => Promise<SignedIn>;

/**
 * The conversations of this user, direct ones and groups.
 *
 * @example
 * ```ts
 * await client.conversations.with(peerUserId).send("hello");
 * for (const { id, unreadCount } of await client.conversations.list()) {
 *   const conversation = await client.conversations.get(id);
 *   if (unreadCount > 0) await conversation?.markRead();
 * }
 * ```
 */
export interface Conversations {
  /** The direct conversation with a user. Asks nobody; throws `INVALID_INPUT` when it is no user id. */
  with(peerUserId: string): Conversation;
  /** A conversation that this device knows; undefined otherwise. Throws `INVALID_INPUT` when it is no id. */
  get(conversationId: string): Promise<Conversation | undefined>;
  /**
   * Every conversation that this device knows, the last active first. The first time on a device the server is asked for
   * those from before, and throws `NETWORK` where it cannot be; from then on nobody is.
   */
  list(options?: CallOptions): Promise<ConversationSummary[]>;
  /**
   * As `conversation.search`, in every conversation, newest first. `before`: what comes after that message in the answer.
   * Throws `INVALID_INPUT` for a `limit` out of bounds.
   *
   * @example
   * ```ts
   * for (const { content } of await client.conversations.search("harbour")) console.log(content);
   * ```
   */
  search(query: string, options?: SearchOptions): Promise<Message[]>;
  /**
   * The history as this device has it, for the user to keep: a stream of JSON Lines, made as it is read, **not
   * encrypted**. Its lines: `export`, `conversation` and its `message`s, `end` with their numbers; docs/SDK.md has their
   * fields. Files are named, not contained. Nobody is asked. The stream fails with `ABORTED` when `signal` aborts; a
   * file without `end` is not whole.
   *
   * @example
   * ```ts
   * const history = await client.conversations.export({ onProgress: ({ messages }) => console.log(messages) });
   * const file = await new Response(history).blob();
   * ```
   */
  export(options?: ExportOptions): Promise<ReadableStream<Uint8Array>>;
}

/** How a history is exported. */
export interface ExportOptions {
  signal?: AbortSignal | undefined;
  /** After each page of at most 64 messages, and after each conversation. */
  onProgress?: ((progress: ExportProgress) => void) | undefined;
  /** What the application calls a user: `senderName`, and the name of a direct conversation. */
  nameOf?: ((userId: string) => string | undefined) | undefined;
}

/** How much of a history has been exported: numbers of conversations and messages. */
export interface ExportProgress {
  conversations: number;
  totalConversations: number;
  messages: number;
}

/** Which page of what a search finds in all conversations. */
export interface SearchOptions extends CallOptions {
  /** What was sent before this message; of those of the same time, what was not given with it. */
  before?: Pick<Message, "sentAt" | "conversationId" | "seq"> | undefined;
  /** 1 to 500, by default 50. */
  limit?: number | undefined;
}

export function createConversations(options: ConversationOptions): Conversations {
  const { getSession } = options;
  return {
    with(peerUserId) {
      const peer = userId.safeParse(peerUserId);
      if (!peer.success) throw invalidInput("peerUserId", peer.error);
      return createConversation({ kind: "direct", peerUserId: peer.data }, options);
    },
    async get(id) {
      const parsed = conversationIdSchema.safeParse(id);
      if (!parsed.success) throw invalidInput("conversationId", parsed.error);
      const known = await conversationRecord.get((await getSession()).session.store, parsed.data);
      return known && createConversation(destinationOf(parsed.data, known), options);
    },
    async list({ signal } = {}) {
      const { session } = await getSession();
      await loadConversations(session, signal);
      const listed = await conversationRecord.list(session.store);
      const summaries = await Promise.all(
        listed.map(({ path: [id = ""], value }) =>
          summarizeRead(session, conversationIdSchema.parse(id), value),
        ),
      );
      return summaries.toSorted((a, b) => ((a.lastMessageAt ?? "") < (b.lastMessageAt ?? "") ? 1 : -1));
    },
    async export(exporting = {}) {
      const { session } = await getSession();
      return exportHistory(session, exporting);
    },
    async search(query, { before, limit = defaultPageSize, signal } = {}) {
      const { session } = await getSession();
      const page = { query, beforeAge: before && ageOf(before), limit: checkLimit(limit), signal };
      const listed = await conversationRecord.list(session.store);
      const found = await Promise.all(
        listed.map(({ path: [id = ""] }) => searchTimeline(session, conversationIdSchema.parse(id), page)),
      );
      return found
        .flat()
        .toSorted((a, b) => (ageOf(a) < ageOf(b) ? 1 : -1))
        .slice(0, limit);
    },
  };
}

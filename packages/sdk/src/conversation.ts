import type { ConversationId, UserId } from "@sotto/schema";
import { toSottoError } from "./api/to-sotto-error.ts";
import type { GetSession, SignedIn } from "./conversations.ts";
import type { MessageRef, Payload } from "./crypto/payload.ts";
import { SottoError, invalidInput } from "./errors.ts";
import type { ClientEvents, Typing } from "./events.ts";
import type { FileSource } from "./files/bytes-streams.ts";
import { type FileOptions, sendFile } from "./files/send-file.ts";
import type { Destination } from "./messages/destination.ts";
import type { SendOptions } from "./messages/outbox.ts";
import type { SentMessage } from "./messages/sent-message.ts";
import { type Withheld, listWithheld } from "./sync/replay-windows.ts";
import { backfill } from "./timeline/backfill.ts";
import { markRead } from "./timeline/mark-read.ts";
import type { Message } from "./timeline/message.ts";
import {
  type ConversationSummary,
  findOwnReactions,
  findPlace,
  findSeq,
  readNamed,
  readPage,
  searchTimeline,
  summarize,
} from "./timeline/read-timeline.ts";

export const defaultPageSize = 50;
const maxPageSize = 500;
/** Emojis of one user on one message. */
const maxOwnReactions = 16;

/** What a call takes that waits for the server or goes through much. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** A message that can be answered, reacted to and so on: one of a timeline, or one that was received or sent. */
export interface MessageHandle {
  senderUserId: string;
  /** null: its sender signed no id; nothing can be said about it. */
  clientMessageId: string | null;
}

/** How a text is sent. */
export interface TextOptions extends SendOptions {
  /** The message that it answers. */
  replyTo?: MessageHandle | undefined;
}

/** Which page of a conversation. */
export interface PageOptions extends CallOptions {
  /** What is older than this line comes; without it, the newest. */
  before?: Pick<Message, "key" | "seq"> | undefined;
  /** 1 to 500, by default 50. */
  limit?: number | undefined;
}

/** A page of a timeline. */
export interface MessagePage {
  /** Oldest first. */
  messages: Message[];
  /** There is, or may be, something older. */
  hasEarlier: boolean;
}

/** What `conversation.on` can listen for: the client's events, of this conversation. */
export interface ConversationEvents {
  /** A new line, one's own too. */
  message: Message;
  /** A line is not what it was. */
  messageChanged: Message;
  typing: Typing;
}

/**
 * A direct conversation or a group: what is said in it, as this device has stored it, and how to say more.
 *
 * @example
 * ```ts
 * const stop = conversation.on("message", ({ content }) => console.log(content));
 * for (const line of await conversation.search("harbour")) {
 *   await conversation.reply(line, "Which harbour?");
 *   await conversation.unreact(line, "👍");
 *   console.log((await conversation.find(line))?.reactions);
 * }
 * const id = crypto.randomUUID();
 * const mine = await conversation.send("At six.", { clientMessageId: id }).catch(() => undefined);
 * if (mine) {
 *   const message = { senderUserId: client.me?.userId ?? "", clientMessageId: id };
 *   await conversation.edit(message, "At seven.");
 *   await conversation.delete(message);
 * } else if (!(await conversation.cancel(id))) await conversation.retry(id);
 * await conversation.markRead();
 * await conversation.typing(false);
 * console.log((await conversation.summary())?.unreadCount);
 * stop();
 * ```
 */
export interface Conversation {
  /** null for a group. */
  readonly peerUserId: UserId | null;
  /** A group's id; null for a direct conversation, which may not have been made yet. */
  readonly groupId: ConversationId | null;
  /**
   * Seals the text for every device of everyone in the conversation and every other device of one's own, and resolves
   * once the server has stored it, however long that takes: offline, it waits. From the moment of the call the message
   * is in the store and in the timeline, and after a crash it is sent on at the next `start`. A rejected message is not
   * sent on, unless by `retry` or another `send` with the same `clientMessageId` and text, which never makes a second
   * message. Messages of one conversation arrive in order.
   *
   * Throws `NO_USABLE_KEYS`, `NO_POST_QUANTUM_KEYS`, `RECIPIENT_NOT_FOUND`, `GROUP_NOT_FOUND`, `TOO_MANY_DEVICES`,
   * `PAYLOAD_TOO_LARGE`, `CLIENT_MESSAGE_ID_REUSED`, `ABORTED`, after a day `NETWORK`.
   * When the session has ended (`TOKEN_INVALID` and the like) and on `close` (`CLOSED`) the message stays queued.
   *
   * @example
   * ```ts
   * const { id } = await client.conversations.with(peerUserId).send("hello");
   * ```
   */
  send(text: string, options?: TextOptions): Promise<SentMessage>;
  /**
   * Sends a file of any length: encrypts it for itself, uploads the ciphertext, and sends a message that says where it is
   * and how to open it. Its name, type and length are in the message alone. It takes its place in the queue once the
   * source was read to the end; what comes after it in the conversation waits for it. From then on it survives what a
   * text does: an upload goes on where it was, after a cut or a restart, with the same bytes.
   *
   * Throws as `send` does, and `STORAGE_QUOTA_EXCEEDED`, `FILE_GONE` where its ciphertext was deleted from the store or
   * spool before it was sent; whatever the source throws. When `signal` aborts before the
   * message itself is sent, it is taken back: nothing is left of it here, nor, within a day, on the server.
   *
   * @example
   * ```ts
   * const file = new File(["…"], "harbour.txt", { type: "text/plain" });
   * await conversation.sendFile(file, { name: file.name, onProgress: ({ done, total }) => console.log(done, total) });
   * ```
   */
  sendFile(source: FileSource, options: FileOptions): Promise<SentMessage>;
  /** `send` with `replyTo`. Throws `INVALID_INPUT` for a message without `clientMessageId`; so do the next four. */
  reply(message: MessageHandle, text: string, options?: SendOptions): Promise<SentMessage>;
  /**
   * Puts an emoji on a message; once more changes nothing. It is shown at once, and sent as a message is. Throws
   * `TOO_MANY_REACTIONS` beyond 16 different ones of one user on one message: take one back first.
   *
   * @example
   * ```ts
   * const [newest] = (await conversation.messages({ limit: 1 })).messages;
   * if (newest) await conversation.react(newest, "👍");
   * ```
   */
  react(message: MessageHandle, emoji: string, options?: SendOptions): Promise<SentMessage>;
  /** Takes an emoji back. Throws as `react` does. */
  unreact(message: MessageHandle, emoji: string, options?: SendOptions): Promise<SentMessage>;
  /** Replaces the text of one's own message, or a file's caption. Throws `NOT_YOUR_MESSAGE`. */
  edit(message: MessageHandle, text: string, options?: SendOptions): Promise<SentMessage>;
  /**
   * Deletes one's own message for everyone: every device that follows the protocol forgets what it said. Throws
   * `NOT_YOUR_MESSAGE`. A group's moderators: `group.deleteMessage`.
   */
  delete(message: MessageHandle, options?: SendOptions): Promise<SentMessage>;
  /**
   * Sends a failed message once more. Throws `MESSAGE_NOT_FOUND` unless it has failed, and as `send` or `sendFile` does.
   */
  retry(clientMessageId: string, options?: CallOptions): Promise<SentMessage>;
  /**
   * Takes back a message that waits to be sent: its `send` throws `ABORTED`. False: it may have been sent already. Of a
   * file, the server is told too, within 5 seconds, and until `signal` aborts, or not at all. Throws `ABORTED` where that
   * is before anything was done.
   */
  cancel(clientMessageId: string, options?: CallOptions): Promise<boolean>;
  /**
   * Counts everything up to a message as read, by default everything that is stored, here and on this user's other
   * devices, and tells the senders. A message that is not sent yet stands after all that is stored. It holds here at
   * once; throws `NETWORK` when the senders could not be told: call it again.
   */
  markRead(upTo?: Pick<Message, "key" | "seq">, options?: CallOptions): Promise<void>;
  /**
   * Tells the others that this user types, or has stopped. Tell it again every few seconds while it goes on. Throws
   * `CONVERSATION_NOT_FOUND`, `USER_NOT_FOUND`.
   */
  typing(isTyping: boolean, options?: CallOptions): Promise<void>;
  /**
   * A page of the timeline; what is not sent yet comes last in it. Where the store ends, the server is asked for what is
   * older; offline, what is stored comes, and where nothing is, it throws `NETWORK`. So a page is empty only at the end.
   * What was sealed before this device was there comes as `unreadable` with `not_for_this_device`.
   *
   * @example
   * ```ts
   * let page = await conversation.messages({ limit: 20 });
   * const all = [...page.messages];
   * while (page.hasEarlier) {
   *   page = await conversation.messages({ before: page.messages[0], limit: 20 });
   *   all.unshift(...page.messages);
   * }
   * ```
   */
  messages(options?: PageOptions): Promise<MessagePage>;
  /**
   * One message, by whoever sent it and the sender's own id of it. Asks nobody. Throws `INVALID_INPUT` without such an
   * id.
   */
  find(message: MessageHandle): Promise<Message | undefined>;
  /**
   * Messages that are stored here and have every word of the query, newest first. The last word may be the beginning of
   * one. Upper case and accents make no difference. Asks nobody. Throws `INVALID_INPUT` for a `limit` out of bounds.
   */
  search(query: string, options?: PageOptions): Promise<Message[]>;
  /** As a list shows it; undefined before anything of it is known here. Asks nobody. Throws nothing of its own. */
  summary(): Promise<ConversationSummary | undefined>;
  /**
   * Devices some of whose messages here have not come, and how many: late, given up by their sender, or possibly withheld
   * by the server. Messages that cannot be opened, or were deleted by a moderator, are not among them. What comes after
   * the last message that came nobody can know. Asks nobody. Throws nothing of its own.
   *
   * @example
   * ```ts
   * const withheld = await conversation.withheld();
   * if (withheld.length > 0) console.log("messages may be missing");
   * ```
   */
  withheld(): Promise<Withheld[]>;
  /** Gives the function that removes the listener. */
  on<Name extends keyof ConversationEvents>(
    name: Name,
    listener: (event: ConversationEvents[Name]) => void,
  ): () => void;
}

/** The events of a client, before anyone is signed in too. */
export type Listen = <Name extends keyof ClientEvents>(
  name: Name,
  listener: (event: ClientEvents[Name]) => void,
) => () => void;

export interface ConversationOptions {
  getSession: GetSession;
  listen: Listen;
}

export function createConversation(
  to: Destination,
  { getSession, listen }: ConversationOptions,
): Conversation {
  const send = async (payload: Payload, options?: SendOptions) =>
    (await getSession()).outbox.send(to, payload, options);
  const now = async () => (await getSession()).session.now();
  return {
    peerUserId: to.kind === "direct" ? to.peerUserId : null,
    groupId: to.kind === "group" ? to.conversationId : null,
    send: async (text, { replyTo, ...options } = {}) =>
      send(
        {
          kind: "text",
          text,
          sentAtMs: await now(),
          ...(replyTo ? { replyTo: refTo(replyTo) } : {}),
        },
        options,
      ),
    sendFile: async (source, options) => sendFile(await getSession(), to, { ...options, source }),
    reply: async (message, text, options) =>
      send({ kind: "text", text, sentAtMs: await now(), replyTo: refTo(message) }, options),
    react: async (message, emoji, options) =>
      send(await makeReaction(await getSession(), to, { message, emoji, isRemoved: false }), options),
    unreact: async (message, emoji, options) =>
      send(await makeReaction(await getSession(), to, { message, emoji, isRemoved: true }), options),
    edit: async (message, text, options) =>
      send(await makeEdit(await getSession(), to, { message, text }), options),
    async delete(message, options) {
      const { session } = await getSession();
      return send(
        { kind: "deletion", target: ownTarget(session.me.userId, message), sentAtMs: session.now() },
        options,
      );
    },
    retry: async (id, options) => (await getSession()).outbox.retry(id, options),
    cancel: async (id, { signal } = {}) => (await getSession()).outbox.cancel(id, signal),
    markRead: async (upTo, { signal } = {}) => markRead((await getSession()).session, { to, upTo }, signal),
    async typing(isTyping, { signal } = {}) {
      const { api } = (await getSession()).session;
      const place =
        to.kind === "direct" ? { peerUserId: to.peerUserId } : { conversationId: to.conversationId };
      await api.call(
        (server, options) => server.messages.typing.mutate({ ...place, isTyping }, options),
        signal,
      );
    },
    messages: async (options) => readMessages(await getSession(), to, options),
    async find(message) {
      const { session } = await getSession();
      return readNamed(session, await findPlace(session, to), refTo(message));
    },
    async search(query, { before, limit = defaultPageSize, signal } = {}) {
      const { session } = await getSession();
      const { conversationId } = await findPlace(session, to);
      const beforeSeq = before && (await findSeq(session, conversationId, before));
      const page = { query, beforeSeq, limit: checkLimit(limit), signal };
      return conversationId === undefined ? [] : searchTimeline(session, conversationId, page);
    },
    async summary() {
      const { session } = await getSession();
      const { conversationId } = await findPlace(session, to);
      return conversationId && summarize(session, conversationId);
    },
    async withheld() {
      const { session } = await getSession();
      const { conversationId } = await findPlace(session, to);
      return conversationId === undefined ? [] : listWithheld(session.store, conversationId);
    },
    on: (name, listener) => listen(name, (event) => (isOf(to, event) ? listener(event) : undefined)),
  };
}

function isOf(to: Destination, event: Message | Typing): boolean {
  if (to.kind === "group") return event.conversationId === to.conversationId;
  const peerUserId = "isTyping" in event ? event.conversationId === null && event.userId : event.peerUserId;
  return peerUserId === to.peerUserId;
}

function refTo({ senderUserId, clientMessageId }: MessageHandle): MessageRef {
  if (clientMessageId === null) throw invalidInput("message");
  return { senderUserId, clientMessageId };
}

function ownTarget(me: UserId, message: MessageHandle): string {
  const { senderUserId, clientMessageId } = refTo(message);
  if (senderUserId !== me) throw new SottoError("NOT_YOUR_MESSAGE");
  return clientMessageId;
}

/** Later, by the clock of whoever does it, than what that user did to the message before: the later one counts. */
function laterThan(earlierMs: number | null | undefined, nowMs: number): number {
  return Math.max(nowMs, (earlierMs ?? -1) + 1);
}

async function makeEdit(
  { session }: SignedIn,
  to: Destination,
  { message, text }: { message: MessageHandle; text: string },
): Promise<Payload> {
  const target = ownTarget(session.me.userId, message);
  const name = { senderUserId: session.me.userId, clientMessageId: target };
  const present = await readNamed(session, await findPlace(session, to), name);
  return { kind: "edit", target, text, sentAtMs: laterThan(present?.editedAtMs, session.now()) };
}

async function makeReaction(
  { session }: SignedIn,
  to: Destination,
  { message, ...reaction }: { message: MessageHandle; emoji: string; isRemoved: boolean },
): Promise<Payload> {
  const target = refTo(message);
  const own = await findOwnReactions(session, to, target);
  const last = own.find(({ emoji }) => emoji === reaction.emoji);
  const others = own.filter((one) => one !== last && !one.isRemoved).length;
  if (!reaction.isRemoved && others >= maxOwnReactions)
    throw new SottoError("TOO_MANY_REACTIONS", { details: { max: maxOwnReactions } });
  return { kind: "reaction", target, ...reaction, sentAtMs: laterThan(last?.sentAtMs, session.now()) };
}

async function readMessages(
  { session }: SignedIn,
  to: Destination,
  { before, limit = defaultPageSize, signal }: PageOptions = {},
): Promise<MessagePage> {
  const page = { before, limit: checkLimit(limit) };
  const running = signal ?? new AbortController().signal;
  let hasEarlier = true;
  for (;;) {
    const place = await findPlace(session, to);
    const messages = await readPage(session, place, page);
    if (messages.length === limit || !hasEarlier || place.conversationId === undefined) {
      const isBegun = place.conversationId !== undefined;
      return { messages, hasEarlier: messages.length === limit || (isBegun && hasEarlier) };
    }
    try {
      hasEarlier = await backfill(session, place.conversationId, running);
    } catch (error) {
      // A server that has lost the conversation has nothing earlier of it either.
      const isGone = error instanceof SottoError && error.code === "LOG_NOT_FOUND";
      if (isGone && messages.length > 0) return { messages, hasEarlier: false };
      const isAway = error instanceof SottoError && (error.retry === "later" || error.code === "BAD_ANSWER");
      if (!isAway || running.aborted || messages.length === 0) throw toSottoError(error, signal);
      return { messages, hasEarlier: true };
    }
  }
}

/** Throws `INVALID_INPUT`. */
export function checkLimit(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > maxPageSize) throw invalidInput("limit");
  return limit;
}

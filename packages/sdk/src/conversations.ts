import { type ConversationId, type UserId, userId } from "@sotto/schema";
import { invalidInput } from "./errors.ts";
import type { Outbox, SendOptions } from "./messages/outbox.ts";
import { readPage } from "./messages/read-page.ts";
import type { ReceivedMessage } from "./messages/received-message.ts";
import { findConversation } from "./messages/seal-outgoing.ts";
import type { SentMessage } from "./messages/sent-message.ts";
import type { Session } from "./session.ts";

export interface ConversationSummary {
  id: ConversationId;
  /** Null for a group. */
  peerUserId: UserId | null;
  isGroup: boolean;
  name: string | null;
  /** RFC 3339; null without messages. */
  lastMessageAt: string | null;
  unreadCount: number;
}

export interface HistoryOptions {
  /** A message's `id` or an RFC 3339 time: what is older comes. */
  before?: string | undefined;
  /** 1 to 200, by default 50. */
  limit?: number | undefined;
  signal?: AbortSignal | undefined;
}

interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** A direct conversation. */
export interface Conversation {
  readonly peerUserId: UserId;
  /**
   * Seals the text for every device of the peer and every other device of one's own, and resolves once the server has
   * stored it, however long that takes: offline, it waits. From the moment of the call the message is in the store, and
   * after a crash it is sent on at the next `start`. A rejected message is not sent on, unless by another `send` with the
   * same `clientMessageId` and text, which never makes a second message. Messages to one peer arrive in order.
   *
   * Throws `NO_USABLE_KEYS`, `NO_POST_QUANTUM_KEYS`, `RECIPIENT_NOT_FOUND`, `PAYLOAD_TOO_LARGE`,
   * `CLIENT_MESSAGE_ID_REUSED`, `ABORTED`, after a day `NETWORK`.
   * When the session has ended (`TOKEN_INVALID` and the like) and on `close` (`CLOSED`) the message stays queued.
   */
  send(text: string, options?: SendOptions): Promise<SentMessage>;
  /** Tells the sender that this message was read. Throws `MESSAGE_NOT_FOUND` for one's own. */
  markRead(messageId: string, options?: CallOptions): Promise<void>;
  /**
   * A page of what the server has, oldest first, one's own messages included. Received messages are opened anew: those
   * sealed to a key that was deleted since (after 30 to 37 days) come as `unreadable` with `no_key`.
   */
  history(options?: HistoryOptions): Promise<ReceivedMessage[]>;
}

export interface Conversations {
  /** The direct conversation with a user. Asks nobody; throws `INVALID_INPUT` when it is no user id. */
  with(peerUserId: string): Conversation;
  /** Newest first, at most 100. */
  list(options?: CallOptions): Promise<ConversationSummary[]>;
}

/** Where the signed-in parts come from; it throws `NOT_SIGNED_IN`. */
export type GetSession = () => Promise<{ session: Session; outbox: Outbox }>;

export function createConversations(getSession: GetSession): Conversations {
  return {
    with(peerUserId) {
      const peer = userId.safeParse(peerUserId);
      if (!peer.success) throw invalidInput("peerUserId", peer.error);
      return createConversation(peer.data, getSession);
    },
    async list({ signal } = {}) {
      const { api, me } = (await getSession()).session;
      const { conversations } = await api.call(
        (server, options) => server.messages.conversationsSummary.query({}, options),
        signal,
      );
      return conversations.map(({ id, userA, userB, isGroup, name, lastMessageAt, unreadCount }) => {
        const peerUserId = userA === me.userId ? userB : userA;
        return { id, peerUserId: isGroup ? null : peerUserId, isGroup, name, lastMessageAt, unreadCount };
      });
    },
  };
}

function createConversation(peerUserId: UserId, getSession: GetSession): Conversation {
  return {
    peerUserId,
    async send(text, options) {
      const { outbox } = await getSession();
      return outbox.send(peerUserId, text, options);
    },
    async markRead(messageId, { signal } = {}) {
      const { api } = (await getSession()).session;
      await api.call((server, options) => server.messages.ackRead.mutate({ messageId }, options), signal);
    },
    async history({ before, limit, signal } = {}) {
      const { session } = await getSession();
      const conversationId = await findConversation(session, peerUserId, signal);
      const { messages } = await session.api.call(
        (server, options) => server.messages.history.query({ conversationId, before, limit }, options),
        signal,
      );
      return readPage(session, {
        conversationId,
        peerUserId,
        messages,
        signal: signal ?? new AbortController().signal,
      });
    },
  };
}

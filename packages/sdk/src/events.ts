import type {
  AccountEvent,
  ConversationEvent,
  ConversationId,
  DeviceId,
  Event,
  LogId,
  MessageId,
  UserId,
} from "@sotto/schema";
import type { DeviceListRefusal } from "./crypto/device-list.ts";
import type { AnySottoError } from "./errors.ts";
import type { SentMessage } from "./messages/sent-message.ts";
import type { Message } from "./timeline/message.ts";
import type { ConversationSummary } from "./timeline/read-timeline.ts";

/**
 * What the live stream is doing. `isCaughtUp`: everything that the server had at the time of connecting is stored here.
 *
 * - `stopped`: before `start`, after `stop`, and after an error that ends everything (`error`).
 * - `connecting`, `online`, `offline`: by itself from one to the other. `retryAtMs`: when it will connect next, in ms
 *   since the epoch; sooner when the network comes back or somebody looks at the page.
 * - `signed_out`, `device_removed`, `replaced`: final, until the next `start`.
 *
 * @example
 * ```ts
 * client.on("status", (status) => {
 *   if (status.state === "offline") console.log(`again in ${status.retryAtMs - Date.now()} ms`);
 *   else console.log(status.state, status.isCaughtUp ? "and up to date" : "");
 * });
 * ```
 */
export type ClientStatus =
  | { state: "stopped"; isCaughtUp: false; error?: AnySottoError | undefined }
  | { state: "connecting"; isCaughtUp: false; error?: undefined }
  | { state: "online"; isCaughtUp: boolean; error?: undefined }
  | { state: "offline"; isCaughtUp: false; retryAtMs: number; error?: undefined }
  | { state: "signed_out" | "device_removed" | "replaced"; isCaughtUp: false; error: AnySottoError };

/** A device of the recipient acknowledged a message that this user sent. */
export interface Receipt {
  kind: "delivered" | "read";
  conversationId: ConversationId;
  messageId: MessageId;
  /** The recipient, and which of their devices. */
  userId: UserId;
  deviceId: DeviceId | null;
}

/** One of this user's own devices came, changed or went. */
export interface DeviceListChange {
  change: Extract<Event, { type: "device_list.changed" }>["change"];
  deviceId: DeviceId;
}

/** The user's number signed in anew, somewhere else. It may still publish a device, or not. */
export interface SessionOpened {
  /** RFC 3339. */
  at: string;
}

/** What else happened in a conversation, or on this user's other devices: reactions, groups, contacts, blocks. */
export type Change = Exclude<
  ConversationEvent | AccountEvent,
  {
    type:
      | "message.delivered"
      | "message.read"
      | "device_list.changed"
      | "device_list.signed"
      | "session.opened";
  }
>;

/** Somebody types to this user, or has stopped. It comes at best once: let it fade after a few seconds. */
export interface Typing {
  userId: UserId;
  isTyping: boolean;
  /** null: in the direct conversation with the user. */
  conversationId: ConversationId | null;
}

/**
 * The server no longer has what this device missed of a log, and nothing else of the log was lost. Only account logs
 * are pruned: what this user's other devices did, and receipts. The states of messages are taken from the history.
 */
export interface Resync {
  /** This user's own id, or a conversation's. */
  log: LogId;
  /** The first number that is missing; null when this device had nothing of the log. */
  prunedFrom: number | null;
  /** The last one. */
  prunedThrough: number;
}

/** What became of a message of this device's; also for one that was resumed after a restart, whose `send` nobody awaits. */
export type OutboxEvent = {
  /** null in a group. */
  peerUserId: UserId | null;
  /** Of a group; null in a direct conversation. */
  conversationId: ConversationId | null;
  clientMessageId: string;
} & (
  | { state: "queued" | "cancelled" }
  | { state: "sent"; message: SentMessage }
  | { state: "failed"; error: AnySottoError }
);

/** What was found, or changed, about who is who. Told once in a client's life, except for one's own device. */
export type IdentityEvent =
  /**
   * The user goes on with another identity key, or again with one that was given up: a new telephone without the old
   * one, or somebody else. `isBlocked`: nothing is sealed to them before `client.identity.confirm`. One's own: another
   * device, or somebody, has reset it.
   */
  | { type: "identity_changed"; userId: UserId; isBlocked: boolean; version: number }
  /** The server names a device that the user has not signed for. It gets nothing. One's own: it waits for approval. */
  | { type: "device_not_listed"; userId: UserId; deviceId: DeviceId }
  /** The server gives an older key bundle of the device than it did before. Nothing is sealed to it. */
  | { type: "key_rolled_back"; userId: UserId; deviceId: DeviceId }
  /** The server gives a device list that cannot be; the one that was accepted before stays in force. */
  | { type: "list_refused"; userId: UserId; reason: DeviceListRefusal }
  /** The server had lost this device's keys, or gave others for them. They are published again. */
  | { type: "keys_republished"; reason: "missing" | "replaced" }
  /** The server had lost device lists of one's own. They are published again. */
  | { type: "list_republished"; fromVersion: number }
  /** Whether the user's list names this device. */
  | { type: "linked" | "not_linked" };

/**
 * What the numbers that a device gives its messages say of their sequence in a conversation.
 *
 * - `withheld`: so many of its messages before the last one have not come (0: all have by now). They are late, or their
 *   sender has given them up, or the server withholds them. `conversation.withheld` tells it at any time.
 * - `reordered`: a message came after one that its device had sealed later: the server changed the order, or the sender
 *   tried it again later.
 */
export type SequenceEvent = {
  conversationId: ConversationId;
  senderUserId: UserId;
  senderDeviceId: DeviceId;
} & ({ type: "withheld"; missing: number } | { type: "reordered"; messageId: MessageId });

/** What `client.on` can listen for. Events are hints, told once and not stored: only messages are kept. */
export interface ClientEvents {
  status: ClientStatus;
  receipt: Receipt;
  deviceList: DeviceListChange;
  sessionOpened: SessionOpened;
  change: Change;
  resync: Resync;
  typing: Typing;
  outbox: OutboxEvent;
  /** A new line of a timeline, one's own too. */
  message: Message;
  /** A line of a timeline is not what it was: edited, reacted to, deleted, delivered, read, failed. */
  messageChanged: Message;
  /** A conversation is new, or its newest message, its name or its unread count is. */
  conversation: ConversationSummary;
  identity: IdentityEvent;
  sequence: SequenceEvent;
}

import type { SignedIn } from "./conversations.ts";
import type { AnySottoError } from "./errors.ts";
import type { ClientStatus } from "./events.ts";
import type { Account } from "./identity/account.ts";
import type { Inbox } from "./messages/inbox.ts";
import type { ReceivedMessage } from "./messages/received-message.ts";
import type { News, SharedNews } from "./news.ts";
import type { Store } from "./storage/store.ts";

/** What a tab does for those that share its store, as told by {@link Membership}. */
export interface TabHost {
  /** This tab has something to receive or to send. */
  readonly wantsToLead: boolean;
  /** From now on this tab alone holds the live stream and empties the outbox. */
  beginLeading(): Promise<void>;
  endLeading(): Promise<void>;
  /** What another tab tells. One at a time, in order for each tab. */
  hear(news: News): Promise<void>;
  /** Forgets what it knew of the store and reads it anew: others have changed it without a word. */
  reload(): Promise<void>;
}

/** One client's part among the tabs of its store. */
export interface Membership {
  /** Stands for leader, or does so no longer, as the host wants. Resolves once a leadership that is not wanted has ended. */
  update(): Promise<void>;
  /** Runs a task while nobody leads. */
  seize<T>(task: () => Promise<T>): Promise<T>;
  leave(): Promise<void>;
}

/** A client, for the tab that it is in. */
export interface TabClient {
  readonly store: Store;
  readonly account: Account;
  /** As the application wants it. */
  isStarted(): boolean;
  status(): ClientStatus;
  /** Undefined as long as nothing has needed it. */
  signedIn(): Promise<SignedIn> | undefined;
  /** Throws `NOT_SIGNED_IN`. */
  require(): Promise<SignedIn>;
  setStatus(status: ClientStatus): void;
  /** The live stream's: its errors end the iteration of the inbox too. */
  takeStatus(status: ClientStatus, inbox: Inbox): void;
  startLive(): Promise<void>;
  stopLive(): Promise<void>;
  /** Neither starting nor stopping, signing in nor out happens meanwhile. */
  inTurn(task: () => Promise<void>): Promise<void>;
  /** The session is over for this client. */
  end(error: AnySottoError): Promise<void>;
}

/** What a client does otherwise because others may have its store open. */
export interface ClientTab {
  /** Receives, by an own stream or the leader's. */
  start(): Promise<void>;
  stop(): Promise<void>;
  tell(news: SharedNews): void;
  tellStatus(status: ClientStatus, inbox: Inbox): Promise<void>;
  /** Whether a `send` waits here. */
  setAwaited(isAwaited: boolean): void;
  seize<T>(task: () => Promise<T>): Promise<T>;
  leave(): Promise<void>;
}

/** How an application reads its inbox where each tab reads it. */
export interface InboxReading {
  /** Up to this number everything was consumed somewhere: what comes is numbered above it. */
  consumedThrough(): Promise<number>;
  /** Somebody reads: nothing is to be dropped. */
  isOpen(): Promise<boolean>;
  /** Gives the number after which to begin. */
  begin(): Promise<number>;
  /** A message is forgotten once every tab that is reading has consumed it. */
  consume(seq: number, message: ReceivedMessage): Promise<void>;
  end(): Promise<void>;
}

/** By what the clients that have one store open at once, each in its tab, act as one. */
export interface Tabs {
  join(host: TabHost): Membership;
  /** Joins for a client. */
  take(client: TabClient): ClientTab;
  /**
   * Runs a task while no other tab runs one of the same name. A tab that holds a name and does not answer is deposed.
   * `lost` aborts, with `STORE_LOCKED`, when this one was: what the task still commits is refused. Throws `ABORTED` when
   * `signal` aborts before the task has begun.
   */
  hold<T>(name: string, task: (lost: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** To the other tabs. Never what was said, nor keys: those are read from the store. */
  post(news: News): void;
  /** Another tab has taken this one for dead, or has signed out: it is to join anew. */
  isDeposed(): Promise<boolean>;
  /** Nobody else has the store open. */
  isAlone(): Promise<boolean>;
  /** Whatever the others have begun, they commit nothing any more: each joins anew. */
  deposeOthers(): Promise<void>;
  readInbox(store: Store): InboxReading;
}

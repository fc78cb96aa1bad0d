/** What a client is made of, and what it offers. */
import type { Presence } from "@sotto/schema";
import type { Backup } from "./backup.ts";
import type { Contacts } from "./contacts.ts";
import type { Conversations } from "./conversations.ts";
import type { PqPolicy } from "./crypto/wrap-for-devices.ts";
import type { Devices } from "./devices.ts";
import type { ClientEvents, ClientStatus } from "./events.ts";
import type { Files } from "./files/files.ts";
import type { Spool } from "./files/spool.ts";
import type { Groups } from "./groups.ts";
import type { Me, SignInInput } from "./identity/account.ts";
import type { IdentityChangePolicy } from "./identity/identities.ts";
import type { IdentityApi } from "./identity.ts";
import type { ReceivedMessage } from "./messages/received-message.ts";
import type { Pin } from "./pin.ts";
import type { Store } from "./storage/store.ts";

/** What a client is made of: a server, a store, and policies. */
export interface ClientOptions {
  /** The server: `https://host[:port][/path]`. */
  url: string;
  /**
   * `memoryStore()`, `indexedDbStore(name)` of `@sotto/sdk/browser`, or `fileStore(path, …)` of `@sotto/sdk/node`. It
   * belongs to one user at a time, and to one client; that of a browser to as many as there are tabs.
   */
  store: Store;
  /** Where the ciphertext of files waits to be sent; by default in the store. In Node: `directorySpool(path)`. */
  spool?: Spool | undefined;
  /** ms since the epoch; `Date.now` by default. */
  now?: (() => number) | undefined;
  /**
   * When messages are sealed with X-Wing, which also resists quantum computers; `prefer` by default. It holds for what
   * is sealed from now on: a message that was sealed before keeps its bytes. `SentMessage.kem` says what was done.
   */
  pq?: PqPolicy | undefined;
  /**
   * What happens when a user goes on with another identity key, as after losing every device: `tofu` (the default)
   * trusts it and tells (`identity` event), `strict` seals nothing to them until `client.identity.confirm`.
   */
  identityChange?: IdentityChangePolicy | undefined;
}

interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** What `requestOtp` gives for `signIn`. */
export interface OtpRequest {
  /** Goes into `signIn`. */
  otpSession: string;
  /** The code itself, only from a server in development. */
  devCode?: string | undefined;
}

/**
 * One device of one user. Whatever a call throws is a {@link SottoError}. Calls that wait for the server take an
 * `AbortSignal` and end with `ABORTED`; any of them may throw `NETWORK` and `BAD_ANSWER`, what the server may refuse any
 * call with (`RATE_LIMITED`, `TOKEN_INVALID`, `VALIDATION_FAILED` and the like), `INVALID_INPUT` for an id that is none,
 * `NOT_SIGNED_IN` or `CLOSED` where that is so, and `STORE_FAILED` and the like where the store fails. What a method says
 * it throws comes beside these.
 *
 * @example
 * ```ts
 * if (!client.me) {
 *   const { otpSession, devCode = await askUser() } = await client.requestOtp("+491700000001");
 *   await client.signIn({ phone: "+491700000001", otp: devCode, otpSession });
 * }
 * await client.start();
 * console.log((await client.presence(peerUserId)).online);
 * await client.stop();
 * await client.signOut();
 * await client.close();
 * ```
 */
export interface Client extends AsyncDisposable {
  /** Who is signed in, also after a restart with the same store. */
  readonly me: Me | null;
  readonly status: ClientStatus;
  readonly conversations: Conversations;
  readonly groups: Groups;
  readonly contacts: Contacts;
  readonly devices: Devices;
  readonly pin: Pin;
  readonly files: Files;
  /**
   * Whether a user is connected, and when last: never, of one that is unknown or blocked. Throws nothing of its own.
   */
  presence(userId: string, options?: CallOptions): Promise<Presence>;
  readonly identity: IdentityApi;
  readonly backup: Backup;
  /** Sends a code to the phone. Throws `INVALID_PHONE`, `OTP_RATE_LIMITED`, `OTP_NOT_SENT`. */
  requestOtp(phone: string, options?: CallOptions): Promise<OtpRequest>;
  /**
   * Signs in with the code and publishes this device. A session that has ended is taken up again with the same device.
   * Throws `INVALID_PHONE`, `OTP_INVALID`, `OTP_LOCKED`, `DEVICE_LIMIT_REACHED`, and `STORE_MISMATCH` when the store is
   * another user's.
   * Where the user has set a PIN: `PIN_REQUIRED` (call again with the same code and the `pin`), `PIN_INVALID`.
   * When it throws `NETWORK` and `me` is set, the rest is done by `start`.
   */
  signIn(input: SignInInput): Promise<Me>;
  /**
   * Removes this device on the server, then everything from the store, unread messages included. Throws `NETWORK` where
   * the server was not reached: the device stays signed in. Throws `STORE_FAILED` when a file in the `spool` cannot be
   * removed: then all else is gone, `me` too, and the file at the next start.
   */
  signOut(options?: CallOptions): Promise<void>;
  /** Begins to receive, and goes on sending what is unsent. Works offline; see `status`. Throws `NOT_SIGNED_IN`. */
  start(): Promise<void>;
  /** Ends receiving, and with it the iteration of `messages`. Throws nothing of its own. */
  stop(): Promise<void>;
  /**
   * Every message of others, and of this user's other devices, once and in order. A message counts as consumed when the
   * next one is asked for, or the loop's body reaches its end; one that is not consumed, because of a crash, `break` or
   * an error, comes again first at the next iteration. While there is none, the newest 10,000 are kept. There is one
   * iteration at a time (`BUSY`). It ends when `signal` aborts and with `stop`; it throws when the stream is over:
   * `SIGNED_OUT`, `DEVICE_REMOVED`, `REPLACED`.
   *
   * @example
   * ```ts
   * for await (const message of client.messages()) {
   *   if (message.kind === "text") console.log(message.senderUserId, message.text);
   * }
   * ```
   */
  messages(options?: CallOptions): AsyncIterableIterator<ReceivedMessage>;
  /**
   * Calls the listener at each event; gives the function that removes it.
   *
   * @example
   * ```ts
   * const stop = client.on("message", (message) => console.log(message.content));
   * ```
   */
  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void;
  /**
   * The same to iterate over, from the first `next` on. It ends when `signal` aborts, or by `break`, and never throws.
   * Whoever falls behind by 1,000 events loses the oldest.
   *
   * @example
   * ```ts
   * for await (const typing of client.events("typing")) console.log(typing.userId, typing.isTyping);
   * ```
   */
  events<Name extends keyof ClientEvents>(
    name: Name,
    options?: CallOptions,
  ): AsyncIterableIterator<ClientEvents[Name]>;
  /**
   * Stops everything and closes the store. What is unsent stays in it. Afterwards calls throw `CLOSED`; this one throws
   * nothing of its own.
   */
  close(): Promise<void>;
}

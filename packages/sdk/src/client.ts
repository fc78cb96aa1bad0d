import type { Presence } from "@sotto/schema";
import { type Api, createApi } from "./api/api.ts";
import { type Backup, createBackup } from "./backup.ts";
import type { Client, ClientOptions, OtpRequest } from "./client-types.ts";
import { type Contacts, createContacts, findPresence } from "./contacts.ts";
import type { ConversationOptions } from "./conversation.ts";
import { type Conversations, type SignedIn, createConversations } from "./conversations.ts";
import { type Devices, createDevices } from "./devices.ts";
import { Emitter } from "./emitter.ts";
import { type AnySottoError, SottoError } from "./errors.ts";
import type { ClientEvents, ClientStatus } from "./events.ts";
import { type Files, createFiles } from "./files/files.ts";
import { guardedSpool, storeSpool } from "./files/spool.ts";
import { Account, type Me, type SignInInput } from "./identity/account.ts";
import { type Groups, createGroups } from "./groups.ts";
import { leaveDeviceList } from "./identity/linking.ts";
import { type IdentityApi, createIdentity } from "./identity.ts";
import type { Inbox } from "./messages/inbox.ts";
import type { ReceivedMessage } from "./messages/received-message.ts";
import { type ClientParts, openSession } from "./open-session.ts";
import { type Pin, createPin } from "./pin.ts";
import { migrateStore } from "./storage/migrate-store.ts";
import { guardedStore } from "./storage/store-error.ts";
import { finalStatusOf } from "./sync/client-status.ts";
import { LiveStream } from "./sync/live-stream.ts";
import type { ClientTab } from "./tabs.ts";
import { LocalTurns, turnsOf } from "./turns.ts";

interface CallOptions {
  signal?: AbortSignal | undefined;
}

/**
 * Makes a client on a store; with a store that holds a session it is signed in. No network. Throws `STORE_TOO_NEW` when
 * the store was written by a later version, and `STORE_DAMAGED`.
 *
 * @example
 * ```ts
 * const client = await createClient({ url: "http://localhost:8091", store: memoryStore() });
 * const { otpSession, devCode = await askUser() } = await client.requestOtp("+491700000001");
 * await client.signIn({ phone: "+491700000001", otp: devCode, otpSession });
 * await client.start();
 * await client.conversations.with(peerUserId).send("hello");
 * ```
 */
export async function createClient(options: ClientOptions): Promise<Client> {
  const { now = Date.now, pq = "prefer", identityChange: policy = "tofu" } = options;
  // Both may be the application's own.
  const store = guardedStore(options.store);
  const spool = guardedSpool(options.spool ?? storeSpool(store));
  await turnsOf(store, "store").run(() => migrateStore(store));
  const account = await Account.load(store, now);
  return new SottoClient({ url: options.url.replace(/\/+$/, ""), store, spool, now, pq, policy, account });
}

class SottoClient implements Client {
  readonly conversations: Conversations;
  readonly groups: Groups;
  readonly contacts: Contacts;
  readonly devices: Devices;
  readonly pin: Pin;
  readonly identity: IdentityApi;
  readonly backup: Backup;
  readonly files: Files;
  readonly #options: ClientParts;
  readonly #api: Api;
  readonly #events = new Emitter<ClientEvents>();
  /** Starting, stopping and signing in or out happen one after the other. */
  readonly #turns = new LocalTurns();
  #status: ClientStatus = { state: "stopped", isCaughtUp: false };
  /** As the application wants it. */
  #isStarted = false;
  #isClosed = false;
  /** Where several tabs may have the store open. */
  readonly #tab: ClientTab | undefined;
  #signedIn: Promise<SignedIn> | undefined;
  #live: LiveStream | undefined;

  constructor(options: ClientParts) {
    const { account, url } = options;
    this.#options = options;
    this.#api = createApi({ url, getToken: () => account.token });
    const parts: ConversationOptions = {
      getSession: () => this.#require(),
      listen: (name, listener) => this.#events.on(name, listener),
    };
    this.conversations = createConversations(parts);
    this.groups = createGroups(parts);
    this.contacts = createContacts(() => this.#require());
    this.devices = createDevices(() => this.#require());
    this.pin = createPin(() => this.#require());
    this.identity = createIdentity(() => this.#require());
    this.backup = createBackup(() => this.#require());
    this.files = createFiles(() => this.#require());
    this.#tab = this.#joinTabs();
  }

  get me(): Me | null {
    return this.#options.account.me;
  }

  get status(): ClientStatus {
    return this.#status;
  }

  presence(userId: string, options?: CallOptions): Promise<Presence> {
    return findPresence(() => this.#require(), userId, options);
  }

  async requestOtp(phone: string, { signal }: CallOptions = {}): Promise<OtpRequest> {
    this.#requireOpen();
    const asked = await this.#api.call(
      (server, options) => server.auth.requestOtp.mutate({ phone }, options),
      signal,
    );
    return { otpSession: asked.otpSession, devCode: asked.devCode };
  }

  signIn(input: SignInInput): Promise<Me> {
    return this.#turns.run(async () => {
      this.#requireOpen();
      await this.#options.account.signIn(this.#api, input);
      const { session } = await this.#require();
      await session.identity.check(input.signal);
      return session.me;
    });
  }

  signOut({ signal }: CallOptions = {}): Promise<void> {
    return this.#turns.run(async () => {
      if (!this.#options.account.me) return;
      const wasStarted = this.#isStarted;
      const wasLive = this.#live !== undefined;
      await this.#stop();
      try {
        const leave = (): Promise<void> => this.#leaveServer(signal);
        await (this.#tab?.seize(leave) ?? leave());
      } catch (error) {
        if (this.me && wasStarted && (wasLive || this.#tab)) await this.#start();
        throw error;
      }
    });
  }

  async #leaveServer(signal: AbortSignal | undefined): Promise<void> {
    const { account, store } = this.#options;
    const { session, outbox } = await this.#require();
    // A message that is sealed anew meanwhile would find the device missing in the list, and sign it in again.
    await outbox.pause();
    try {
      await leaveDeviceList(session, signal);
      await account.removeDevice(this.#api, signal);
    } catch (error) {
      if (!this.#tab) await outbox.resume();
      throw error;
    }
    await outbox.close();
    await session.files.stop();
    await session.end();
    try {
      // First, as the store may hold files, and emptying it reads what is there.
      await session.files.clear();
    } finally {
      // A file that cannot be removed keeps nothing else.
      await account.forget().finally(() => {
        this.#signedIn = undefined;
      });
      store.tabs?.post({ type: "signed_out" });
    }
  }

  start(): Promise<void> {
    return this.#turns.run(async () => {
      await this.#require();
      if (!this.#isStarted || this.#status.error) await this.#start();
    });
  }

  stop(): Promise<void> {
    return this.#turns.run(() => this.#stop());
  }

  async *messages({ signal }: CallOptions = {}): AsyncGenerator<ReceivedMessage, void, undefined> {
    const { inbox } = await this.#require();
    yield* inbox.read(signal);
  }

  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  events<Name extends keyof ClientEvents>(
    name: Name,
    { signal }: CallOptions = {},
  ): AsyncIterableIterator<ClientEvents[Name]> {
    return this.#events.iterate(name, signal);
  }

  close(): Promise<void> {
    return this.#turns.run(async () => {
      await this.#stop();
      const signedIn = await this.#signedIn;
      await signedIn?.session.files.stop();
      await signedIn?.outbox.close();
      await this.#tab?.leave();
      this.#isClosed = true;
      await this.#options.store.close();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(): Promise<void> {
    const { inbox, outbox } = await this.#require();
    inbox.fail(undefined);
    this.#isStarted = true;
    if (this.#tab) return this.#tab.start();
    await this.#startLive();
    await outbox.resume();
  }

  async #stop(): Promise<void> {
    const wasStarted = this.#isStarted;
    this.#isStarted = false;
    (await this.#signedIn)?.inbox.endReading();
    await this.#stopLive();
    if (wasStarted) await this.#tab?.stop();
  }

  #setStatus(status: ClientStatus): void {
    this.#status = status;
    this.#events.emit("status", status);
  }

  async #startLive(): Promise<void> {
    if (this.#live && !this.#status.error) return;
    const { session, inbox } = await this.#require();
    const onStatus = (status: ClientStatus): void => {
      if (this.#tab) void this.#tab.tellStatus(status, inbox);
      else this.#takeStatus(status, inbox);
    };
    this.#live = await LiveStream.start({ session, inbox, onStatus });
  }

  #takeStatus(status: ClientStatus, inbox: Inbox): void {
    // Whoever reads gets what is there, then the error.
    if (status.error) inbox.fail(status.error);
    else if (this.#status.error) inbox.fail(undefined);
    this.#setStatus(status);
  }

  async #stopLive(): Promise<void> {
    await this.#live?.stop();
    this.#live = undefined;
  }

  #joinTabs(): ClientTab | undefined {
    const { store, account } = this.#options;
    return store.tabs?.take({
      store,
      account,
      isStarted: () => this.#isStarted,
      status: () => this.#status,
      signedIn: () => this.#signedIn,
      require: () => this.#require(),
      setStatus: (status) => this.#setStatus(status),
      takeStatus: (status, inbox) => this.#takeStatus(status, inbox),
      startLive: () => this.#startLive(),
      stopLive: () => this.#stopLive(),
      inTurn: (task) => this.#turns.run(task),
      end: (error) => this.#end(error),
    });
  }

  /** Another tab has signed out, or a later version has the store. */
  async #end(error: AnySottoError): Promise<void> {
    const signedIn = await this.#signedIn;
    if (!signedIn) return;
    this.#signedIn = undefined;
    signedIn.inbox.fail(error);
    await signedIn.session.files.stop(error);
    await signedIn.outbox.close(error);
    await signedIn.session.end();
    if (this.#isStarted) this.#setStatus(finalStatusOf(error));
    this.#isStarted = false;
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new SottoError("CLOSED");
  }

  async #require(): Promise<SignedIn> {
    this.#requireOpen();
    const { me } = this.#options.account;
    if (!me) throw new SottoError("NOT_SIGNED_IN");
    this.#signedIn ??= Promise.resolve(
      openSession(me, {
        ...this.#options,
        api: this.#api,
        events: this.#events,
        getTab: () => this.#tab,
      }),
    );
    return this.#signedIn;
  }
}

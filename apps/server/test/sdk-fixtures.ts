import { randomPhone } from "./rest-client.ts";
import {
  createClient,
  memoryStore,
  type Client,
  type ClientEvents,
  type Conversation,
  type PqPolicy,
  type ReceivedMessage,
  type Spool,
  type Store,
} from "@sotto/sdk";

const waitMs = 15_000;

/** Waits for what a test expects, checked at each change. */
export class Watched {
  readonly #waiting = new Set<() => void>();

  changed(): void {
    for (const check of this.#waiting) check();
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiting.delete(settle);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(settle);
        reject(new Error(`waited ${waitMs} ms for ${what}`));
      }, waitMs);
      this.#waiting.add(settle);
    });
  }
}

interface UserOptions {
  url: string;
  phone?: string;
  store?: Store;
  /** False: signs in, but does not receive. */
  isStarted?: boolean;
  /** False: no other device of the phone's lets this one in. */
  isApproved?: boolean;
  identityChange?: "tofu" | "strict";
  now?: () => number;
  pq?: PqPolicy;
  spool?: Spool;
}

const openUsers = new Set<TestUser>();

/** A client that is signed in, and keeps what it receives. */
export class TestUser implements AsyncDisposable {
  readonly client: Client;
  readonly phone: string;
  readonly received: ReceivedMessage[] = [];
  readonly #watched = new Watched();
  /** How the reading ended. */
  reading: Promise<unknown> = Promise.resolve();

  private constructor(client: Client, phone: string) {
    this.client = client;
    this.phone = phone;
    client.on("status", () => this.#watched.changed());
  }

  /** Signs in unless the store holds a session. */
  static async open(options: UserOptions): Promise<TestUser> {
    const { url, phone = randomPhone(), store = memoryStore(), isStarted = true, now, pq } = options;
    const { isApproved = true, identityChange, spool } = options;
    const user = new TestUser(await createClient({ url, store, now, pq, identityChange, spool }), phone);
    if (!user.client.me) await user.signIn();
    if (isApproved) await user.getApproved();
    openUsers.add(user);
    if (isStarted) await user.start();
    return user;
  }

  async signIn(): Promise<void> {
    const { phone, client } = this;
    const { otpSession, devCode = "" } = await client.requestOtp(phone);
    await client.signIn({ phone, otp: devCode, otpSession, deviceName: "test" });
  }

  /** By another device of the same phone's that is open, where there is one. */
  async getApproved(): Promise<void> {
    const others = [...openUsers].filter((user) => user !== this && user.phone === this.phone);
    if (others.length === 0 || (await this.client.identity.check()) === "linked") return;
    const code = await this.client.devices.link();
    for (const other of others) {
      if (!other.client.me || (await other.client.identity.state()) !== "linked") continue;
      await other.client.devices.approve(code);
      await this.client.identity.check();
      return;
    }
  }

  async start(): Promise<void> {
    await this.client.start();
    this.reading = this.#read();
  }

  get userId() {
    return this.me.userId;
  }

  get me() {
    if (!this.client.me) throw new Error("not signed in");
    return this.client.me;
  }

  get texts(): string[] {
    return this.received.map((message) => (message.kind === "text" ? message.text : `(${message.kind})`));
  }

  to(peer: TestUser) {
    return this.client.conversations.with(peer.userId);
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    await this.#watched.until(what, condition).catch((error: unknown) => {
      throw new Error(`${String(error)}; came: ${JSON.stringify(this.texts)}`);
    });
  }

  async untilReceived(count: number): Promise<void> {
    await this.until(`${count} messages`, () => this.received.length >= count);
  }

  async untilCaughtUp(): Promise<void> {
    await this.until("caught up", () => this.client.status.isCaughtUp);
  }

  /** As `until`, for what has to be asked for: again at every change of a timeline. */
  async untilAsync(what: string, condition: () => Promise<boolean>): Promise<void> {
    const seen = { isMet: false };
    const check = async (): Promise<void> => {
      if (!(await condition())) return;
      seen.isMet = true;
      this.#watched.changed();
    };
    const names = ["message", "messageChanged", "conversation", "outbox", "change"] as const;
    const removes = names.map((name) => this.client.on(name, () => void check().catch(() => {})));
    try {
      await check();
      await this.until(what, () => seen.isMet);
    } finally {
      for (const remove of removes) remove();
    }
  }

  /** Waits until a timeline shows these texts; of what is no text, its kind or action. */
  async untilShows(conversation: Conversation, expected: string[]): Promise<void> {
    const state: { shown: string[] } = { shown: [] };
    const shows = async (): Promise<boolean> => {
      const { messages } = await conversation.messages();
      state.shown = messages.map(({ content }) => {
        if (content.kind === "text") return content.text;
        return content.kind === "group" ? `(${content.action})` : `(${content.kind})`;
      });
      return JSON.stringify(state.shown) === JSON.stringify(expected);
    };
    await this.untilAsync(`a timeline of ${JSON.stringify(expected)}`, shows).catch((error: unknown) => {
      throw new Error(`${String(error)}; it shows ${JSON.stringify(state.shown)}`);
    });
  }

  /** Waits until the group is known here. */
  async untilGroup(groupId: string): Promise<void> {
    await this.untilAsync("the group", async () => {
      return (await this.client.conversations.get(groupId)) !== undefined;
    });
  }

  /** The next event of a kind that fits. */
  event<Name extends keyof ClientEvents>(
    name: Name,
    fits: (event: ClientEvents[Name]) => boolean = () => true,
  ): Promise<ClientEvents[Name]> {
    const seen: ClientEvents[Name][] = [];
    const remove = this.client.on(name, (event) => {
      if (fits(event)) seen.push(event);
      this.#watched.changed();
    });
    return this.until(`event ${name}`, () => seen.length > 0).then(() => {
      remove();
      const [first] = seen;
      if (first === undefined) throw new Error("no event");
      return first;
    });
  }

  async #read(): Promise<unknown> {
    try {
      for await (const message of this.client.messages()) {
        this.received.push(message);
        this.#watched.changed();
      }
      return undefined;
    } catch (error) {
      return error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    openUsers.delete(this);
    await this.client.close();
    await this.reading;
  }
}

/** A disk whose process dies at a chosen commit: that one is done, or not, and nothing after it is. */
export class CrashingStore {
  readonly #kept = memoryStore();
  #crash: { when: "before" | "after"; isDue: (keys: string[]) => boolean } | undefined;
  #run = 0;

  crashAt(when: "before" | "after", isDue: (keys: string[]) => boolean): void {
    this.#crash = { when, isDue };
  }

  /** What is on the disk. */
  list(prefix: string): ReturnType<Store["list"]> {
    return this.#kept.list(prefix);
  }

  /** The store of one run of the client; it works until the crash. */
  open(): Store {
    const run = ++this.#run;
    this.#crash = undefined;
    const alive = async <T>(action: () => Promise<T>): Promise<T> => {
      if (run !== this.#run) throw new Error("the process is dead");
      return action();
    };
    return {
      get: (key) => alive(() => this.#kept.get(key)),
      list: (prefix, options) => alive(() => this.#kept.list(prefix, options)),
      commit: (writes) =>
        alive(async () => {
          const crash = this.#crash?.isDue(writes.map(({ key }) => key)) ? this.#crash.when : undefined;
          if (crash) this.#run++;
          if (crash !== "before") await this.#kept.commit(writes);
          if (crash) throw new Error("the process dies");
        }),
      close: async () => {},
    };
  }
}

/** A client in one of several tabs, or in a worker of one, for a test that drives them from outside. */
import { type Client, SottoError, type Store, createClient } from "@sotto/sdk";
import { indexedDbStore } from "@sotto/sdk/browser";
import { signIn } from "./sign-in.ts";

let client: Client | undefined;
let store: Store | undefined;
let file: Promise<unknown> | undefined;
/** What was told here, each time it was. */
const told = {
  lines: [] as string[],
  messages: [] as string[],
  statuses: [] as string[],
  sent: [] as string[],
};
const waiting = new Set<() => void>();
const changed = (): void => waiting.forEach((check) => check());

function opened(): Client {
  if (!client) throw new Error("not opened");
  return client;
}

async function read(): Promise<void> {
  try {
    for await (const message of opened().messages()) {
      told.messages.push(message.kind === "text" ? message.text : message.kind);
      changed();
    }
  } catch (error) {
    told.messages.push(`(${error instanceof Error && "code" in error ? String(error.code) : "?"})`);
    changed();
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise<void>((resolve) => {
      const check = (): void => {
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
    });
  }
}

export const tab = {
  async open(url: string) {
    store = await indexedDbStore("tabs");
    client = await createClient({ url, store });
    client.on("message", ({ content }) => {
      told.lines.push(content.kind === "text" ? content.text : content.kind);
      changed();
    });
    client.on("status", ({ state }) => {
      told.statuses.push(state);
      changed();
    });
    client.on("outbox", ({ state, clientMessageId }) => {
      if (state === "sent") told.sent.push(clientMessageId);
      changed();
    });
    return client.me;
  },

  signIn: (phone: string) => signIn(opened(), phone),

  async start(): Promise<void> {
    await opened().start();
    void read();
  },

  send: async (userId: string, text: string) => (await opened().conversations.with(userId).send(text)).id,

  sendFile: async (userId: string, text: string) => {
    const file = new File([text], "tide.txt", { type: "text/plain" });
    await opened().conversations.with(userId).sendFile(file, { name: file.name });
  },

  /** What the newest line's file holds. */
  async readFile(userId: string): Promise<string> {
    const [newest] = (await opened().conversations.with(userId).messages({ limit: 1 })).messages;
    if (newest?.content.kind !== "file") throw new Error(`no file: ${newest?.content.kind}`);
    return new Response(opened().files.download(newest.content)).text();
  },

  /** Without waiting for it. */
  queue(userId: string, texts: string[]): void {
    for (const text of texts)
      opened()
        .conversations.with(userId)
        .send(text)
        .catch(() => {});
  },

  /** As far as its source gives something: it does not end. */
  async beginFile(userId: string): Promise<void> {
    const begun = Promise.withResolvers<void>();
    const source = async function* () {
      yield new Uint8Array(100_000);
      begun.resolve();
      await new Promise(() => {});
    };
    file = opened().conversations.with(userId).sendFile(source(), { name: "n" });
    file.catch(() => {});
    await begun.promise;
  },

  fileError: () => file?.then(undefined, (error: unknown) => error instanceof SottoError && error.code),

  /** Until all of it is in the store. */
  async queueAll(userId: string, texts: string[]): Promise<void> {
    const waits: Promise<void>[] = [];
    for (const text of texts) {
      const clientMessageId = crypto.randomUUID();
      const stop = Promise.withResolvers<void>();
      const remove = opened().on("outbox", (event) => {
        if (event.clientMessageId !== clientMessageId) return;
        remove();
        stop.resolve();
      });
      waits.push(stop.promise);
      opened()
        .conversations.with(userId)
        .send(text, { clientMessageId })
        .catch(() => {});
    }
    await Promise.all(waits);
  },

  /** The timeline has so many lines, none of them unsent. */
  async untilSettled(userId: string, count: number): Promise<void> {
    const isSettled = async (): Promise<boolean> => {
      const { messages } = await opened().conversations.with(userId).messages({ limit: 500 });
      return messages.length === count && messages.every(({ seq }) => seq !== null);
    };
    const settled = Promise.withResolvers<void>();
    const check = (): void => {
      void isSettled().then((is) => is && settled.resolve(), settled.reject);
    };
    const removes = (["message", "messageChanged"] as const).map((name) => opened().on(name, check));
    check();
    await settled.promise;
    for (const remove of removes) remove();
  },

  timeline: async (userId: string) =>
    (await opened().conversations.with(userId).messages({ limit: 500 })).messages.map(
      ({ content, state }) => `${content.kind === "text" ? content.text : content.kind}: ${state ?? ""}`,
    ),

  unread: async (userId: string) => (await opened().conversations.with(userId).summary())?.unreadCount,
  markRead: (userId: string) => opened().conversations.with(userId).markRead(),
  /** Of the page before it was opened, too. */
  untilLine: (text: string) => until(() => told.lines.includes(text)),
  untilMessage: (text: string) => until(() => told.messages.includes(text)),
  untilSent: (count: number) => until(() => told.sent.length >= count),
  untilStatus: (state: string) => until(() => opened().status.state === state),
  untilCaughtUp: () => until(() => opened().status.isCaughtUp),
  told: () => told,
  me: () => opened().me,
  status: () => opened().status.state,
  signOut: () => opened().signOut(),
  stop: () => opened().stop(),
  close: () => opened().close(),

  /** Who holds the lock of the leader: the number of the page's own, and of others. */
  async isLeading(): Promise<boolean> {
    const { held = [] } = await navigator.locks.query();
    const leader = held.find(({ name }) => name === "sotto/tabs/lead");
    const own = held.find(({ name }) => name === `page/${pageId}`);
    return leader !== undefined && leader.clientId === own?.clientId;
  },

  /** The page stands still until the server answers, in the midst of reading. */
  freeze(url: string): void {
    void store?.list("", { limit: 3 });
    void store?.list("", { isReversed: true, limit: 3 });
    const request = new XMLHttpRequest();
    request.open("GET", url, false);
    request.send();
  },
};

const pageId = crypto.randomUUID();
void navigator.locks?.request(`page/${pageId}`, () => new Promise(() => {}));

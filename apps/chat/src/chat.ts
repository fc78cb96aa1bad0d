import {
  type Client,
  type Conversation,
  type ConversationSummary,
  type Group,
  type Message,
  SottoError,
} from "@sotto/sdk";
import { describeError, describeMessage } from "./describe.ts";
import { People } from "./people.ts";
import type { Terminal } from "./terminal.ts";

const historyLines = 20;
const unsentLimitMs = 10_000;

/** What is open, what was shown under which number, and what still goes on. */
export class Chat {
  readonly client: Client;
  readonly terminal: Terminal;
  readonly people: People;
  readonly #shown: Message[] = [];
  readonly #labels = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  #open: { conversation: Conversation; id: string } | undefined;
  #listed: ConversationSummary[] = [];

  constructor(client: Client, terminal: Terminal) {
    this.client = client;
    this.terminal = terminal;
    this.people = new People(client);
    terminal.onTyping = () => void this.#open?.conversation.typing(true).catch(() => {});
  }

  /** Prints what comes. */
  listen(): void {
    const { client, terminal, people } = this;
    let wasOffline = false;
    client.on("status", (status) => {
      if (status.state === "offline" && !wasOffline) {
        terminal.print("The server cannot be reached. What you write is kept, and sent when it is back.");
      } else if (status.state === "online" && status.isCaughtUp && wasOffline) {
        terminal.print("Connected again.");
      } else if (status.error) terminal.print(describeError(status.error));
      if (status.state === "offline" || status.state === "online") wasOffline = status.state === "offline";
    });
    client.on("message", (message) => {
      if (this.#isOpen(message)) this.#show(message, { isLive: true });
      else if (!message.isOwn) this.#announce(message);
    });
    client.on("messageChanged", (message) => {
      if (this.#isOpen(message) && this.#labels.has(message.key)) this.#show(message);
    });
    client.on("typing", ({ userId, isTyping }) => {
      if (isTyping) terminal.print(`${people.nameOf(userId)} is typing …`);
    });
    client.on("identity", (event) => {
      if (event.type === "linked") terminal.print("This device is linked.");
      if (event.type === "identity_changed") {
        terminal.print(
          `${people.nameOf(event.userId)} has a new identity key: compare /safety before you go on.`,
        );
      }
    });
    client.on("sessionOpened", ({ at }) => terminal.print(`Your number signed in somewhere else at ${at}.`));
    // Timelines are what is shown here; whoever shows them still has to take the messages from the inbox.
    void (async () => {
      for await (const message of client.messages()) void message;
    })().catch(() => {});
  }

  /** Goes on in the background, and says what went wrong. */
  run(work: () => Promise<unknown>, { isAwaited = true } = {}): void {
    const running = (async () => {
      try {
        await work();
      } catch (error) {
        // The chat ends: what is queued goes on at the next start.
        if (error instanceof SottoError && error.code === "CLOSED") return;
        this.terminal.print(describeError(error));
      }
    })();
    if (!isAwaited) return;
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** Lets what was begun come to its end while the server answers. False: something waits for the next start. */
  async finish(): Promise<boolean> {
    const stopped = Promise.withResolvers<void>();
    const timer = setTimeout(stopped.resolve, unsentLimitMs);
    const remove = this.client.on("status", ({ state }) => state === "offline" && stopped.resolve());
    if (this.client.status.state === "offline") stopped.resolve();
    await Promise.race([stopped.promise, Promise.all(this.#running)]);
    clearTimeout(timer);
    remove();
    return this.#running.size === 0;
  }

  async list(): Promise<void> {
    this.#listed = await this.client.conversations.list();
    for (const [at, { lastMessage, unreadCount, ...summary }] of this.#listed.entries()) {
      const last = lastMessage ? describeMessage(lastMessage, lastMessage.seq ?? 0, this.people.nameOf) : "";
      this.terminal.print(
        `${at + 1}  ${this.#titleOf(summary)}  ${unreadCount} unread  ${last.replace(/^#\d+ /, "")}`,
      );
    }
    if (this.#listed.length === 0) this.terminal.print("No conversations yet: /open +491700000002");
  }

  /** By a phone number, a group's name, or a number of the list. */
  async open(what: string): Promise<void> {
    if (what.startsWith("+")) {
      const peer = await this.people.find(what);
      return this.show(this.client.conversations.with(peer), this.people.nameOf(peer));
    }
    const listed = this.#listed.length > 0 ? this.#listed : await this.client.conversations.list();
    const numbered = /^\d+$/.test(what) ? listed[Number(what) - 1] : undefined;
    const named = numbered ?? (await this.client.conversations.list()).find(({ name }) => name === what);
    const conversation = named && (await this.client.conversations.get(named.id));
    if (!named || !conversation)
      throw new Error(`No conversation ${what}: see /list, or /open +491700000002`);
    await this.show(conversation, this.#titleOf(named));
  }

  async show(conversation: Conversation, title: string): Promise<void> {
    this.#shown.length = 0;
    this.#labels.clear();
    const id = conversation.groupId ?? conversation.peerUserId ?? "";
    this.#open = { conversation, id };
    const { messages } = await conversation.messages({ limit: historyLines });
    this.terminal.print(`— ${title} —`);
    for (const message of messages) this.#show(message);
    this.run(() => conversation.markRead(), { isAwaited: false });
  }

  /** Throws where none is open. */
  get conversation(): Conversation {
    if (!this.#open) throw new Error("Open a conversation first: /open +491700000002, or /list");
    return this.#open.conversation;
  }

  /** Throws where no group is open. */
  get group(): Group {
    const { groupId } = this.conversation;
    if (groupId === null) throw new Error("This is no group");
    return this.client.groups.get(groupId);
  }

  /** The message that was shown under a number. */
  async message(label: string | undefined): Promise<Message> {
    const shown = this.#shown[Number(label?.replace(/^#/, "")) - 1];
    if (!shown) throw new Error(`No message ${label ?? ""}: messages are named by their #number`);
    return (await this.conversation.find(shown)) ?? shown;
  }

  #isOpen({ conversationId, peerUserId }: Message): boolean {
    return this.#open !== undefined && this.#open.id === (peerUserId ?? conversationId);
  }

  #show(message: Message, { isLive = false } = {}): void {
    const label = this.#labels.get(message.key) ?? this.#shown.length + 1;
    this.#labels.set(message.key, label);
    this.#shown[label - 1] = message;
    this.terminal.print(describeMessage(message, label, this.people.nameOf));
    const conversation = this.#open?.conversation;
    if (isLive && !message.isOwn) this.run(async () => conversation?.markRead(message), { isAwaited: false });
  }

  #announce({ senderUserId, content, peerUserId }: Message): void {
    if (content.kind === "group") return;
    const where = peerUserId === null ? " in a group" : "";
    this.terminal.print(`New from ${this.people.nameOf(senderUserId)}${where}: /list`);
  }

  #titleOf({ name, peerUserId }: Pick<ConversationSummary, "name" | "peerUserId">): string {
    return name ?? (peerUserId === null ? "a group" : this.people.nameOf(peerUserId));
  }
}

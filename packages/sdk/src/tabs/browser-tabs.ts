import { v7 as uuidv7 } from "uuid";
import type { News } from "../news.ts";
import type { Store } from "../storage/store.ts";
import type { ClientTab, InboxReading, Membership, TabClient, TabHost, Tabs } from "../tabs.ts";
import { LeadingOrFollowing } from "./client-tab.ts";
import { HeldLocks, type Patience } from "./held-locks.ts";
import { TabMembership } from "./membership.ts";
import { readInbox } from "./read-inbox.ts";
import { TabChannel } from "./tab-channel.ts";

/** Which tabs were deposed, as the store keeps it: a commit of one of them is refused. */
export interface DeposedTabs {
  add(tabIds: readonly string[]): Promise<void>;
  remove(tabIds: readonly string[]): Promise<void>;
  list(): Promise<string[]>;
}

const patient: Patience = { askAfterMs: 5_000, answerWithinMs: 5_000 };

/** Web Locks and BroadcastChannel for the tabs of one store. */
export class BrowserTabs implements Tabs {
  #id = uuidv7();
  readonly #deposed: DeposedTabs;
  readonly #locks: HeldLocks;
  readonly #channel: TabChannel;
  #release: () => void = () => {};
  #membership: TabMembership | undefined;
  #host: TabHost | undefined;
  #isClosed = false;

  private constructor(name: string, deposed: DeposedTabs, patience: Patience) {
    this.#deposed = deposed;
    this.#channel = new TabChannel(name, {
      onNews: (news) => this.#hear(news),
      isThis: (tabId) => tabId === this.#id,
    });
    this.#locks = new HeldLocks({
      prefix: name,
      askAfterMs: patience.askAfterMs,
      findSilent: (tabIds) =>
        // A channel does not reach its own page.
        this.#channel.findSilent(
          tabIds.filter((id) => id !== this.#id),
          patience.answerWithinMs,
        ),
      depose: (tabIds) => deposed.add(tabIds),
      onLost: () => this.onDeposed(),
    });
  }

  /** Undefined where the browser has no such means. */
  static async open(
    name: string,
    deposed: DeposedTabs,
    patience: Patience = patient,
  ): Promise<BrowserTabs | undefined> {
    if (!canShare()) return undefined;
    const tabs = new BrowserTabs(name, deposed, patience);
    await tabs.#keepPlace();
    const alive = await tabs.listIds();
    await deposed.remove((await deposed.list()).filter((id) => !alive.includes(id)));
    return tabs;
  }

  get id(): string {
    return this.#id;
  }

  join(host: TabHost): Membership {
    this.#host = host;
    this.#membership = new TabMembership(
      { hold: this.hold.bind(this), post: (news) => this.post(news), rejoin: () => this.#takePlaceAnew() },
      host,
    );
    return this.#membership;
  }

  take(client: TabClient): ClientTab {
    return new LeadingOrFollowing(client, this);
  }

  hold<T>(name: string, task: (lost: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#locks.hold(name, task, signal);
  }

  post(news: News): void {
    if (!this.#isClosed) this.#channel.post(news);
  }

  async isDeposed(): Promise<boolean> {
    const isDeposed = (await this.#deposed.list()).includes(this.#id);
    if (isDeposed) this.onDeposed();
    return isDeposed;
  }

  async isAlone(): Promise<boolean> {
    return (await this.listIds()).every((id) => id === this.#id);
  }

  async listIds(): Promise<string[]> {
    return (await this.#locks.listTabs()).map(({ tabId }) => tabId);
  }

  async deposeOthers(): Promise<void> {
    await this.#deposed.add((await this.listIds()).filter((id) => id !== this.#id));
  }

  readInbox(store: Store): InboxReading {
    return readInbox(store, {
      id: () => this.#id,
      listIds: () => this.listIds(),
      rejoin: () => this.rejoin(),
    });
  }

  /** A commit was refused, or a lock taken from this tab. */
  onDeposed(): void {
    // The host has been told by what it failed.
    if (!this.#isClosed) this.rejoin().catch(() => {});
  }

  async rejoin(): Promise<void> {
    try {
      await this.#membership?.rejoin();
    } catch (error) {
      // Whoever cannot read the store any more must not write it either.
      await this.#deposed.add([this.#id]);
      throw error;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#channel.close();
    this.#release();
  }

  async #hear(news: News): Promise<void> {
    if (news.type === "step_back") this.#membership?.stepBack();
    else if (news.type === "signed_out") this.onDeposed();
    else await this.#host?.hear(news);
  }

  /** Under a new id, once nothing of what this tab has begun under the old one can be committed any more. */
  async #takePlaceAnew(): Promise<void> {
    const before = this.#id;
    await this.#deposed.add([before]);
    await this.#locks.untilIdle();
    this.#release();
    this.#id = uuidv7();
    await this.#keepPlace();
    await this.#deposed.remove([before]);
  }

  async #keepPlace(): Promise<void> {
    this.#release = await this.#locks.keep(`tab/${this.#id}`);
  }
}

/** Browsers before 2022, and pages that are no secure context. */
const canShare = (): boolean =>
  typeof BroadcastChannel === "function" && (navigator as Partial<Navigator>).locks !== undefined;

import { toSottoError } from "../api/to-sotto-error.ts";
import type { SignedIn } from "../conversations.ts";
import { type AnySottoError, SottoError, makeError } from "../errors.ts";
import type { ClientStatus } from "../events.ts";
import type { Inbox } from "../messages/inbox.ts";
import { type News, type SharedNews, batchRecord, tellHere } from "../news.ts";
import { migrateStore } from "../storage/migrate-store.ts";
import type { ClientTab, Membership, TabClient, TabHost, Tabs } from "../tabs.ts";
import { turnsOf } from "../turns.ts";

/** Leads or follows for a client, and tells it what the others tell. */
export class LeadingOrFollowing implements ClientTab, TabHost {
  readonly #client: TabClient;
  readonly #tabs: Tabs;
  readonly #membership: Membership;
  #isLeading = false;
  /** A `send` waits here. */
  #isAwaited = false;
  /** The last batch of the stream that was told here. */
  #heardBatch = 0;

  constructor(client: TabClient, tabs: Tabs) {
    this.#client = client;
    this.#tabs = tabs;
    this.#membership = tabs.join(this);
  }

  get wantsToLead(): boolean {
    return this.#wantsToReceive || this.#isAwaited;
  }

  get #wantsToReceive(): boolean {
    return this.#client.isStarted() && !this.#client.status().error;
  }

  async start(): Promise<void> {
    this.#heardBatch = (await batchRecord.get(this.#client.store))?.n ?? 0;
    this.#client.setStatus({ state: "connecting", isCaughtUp: false });
    if (this.#isLeading) await this.#client.startLive();
    await this.#membership.update();
    this.#tabs.post({ type: "hello" });
  }

  async stop(): Promise<void> {
    await this.#membership.update();
    this.#client.setStatus({ state: "stopped", isCaughtUp: false });
  }

  seize<T>(task: () => Promise<T>): Promise<T> {
    return this.#membership.seize(task);
  }

  leave(): Promise<void> {
    return this.#membership.leave();
  }

  tell(news: SharedNews): void {
    this.#tabs.post(news);
    if (news.type === "batch") this.#heardBatch = news.n;
  }

  setAwaited(isAwaited: boolean): void {
    this.#isAwaited = isAwaited;
    void this.#membership.update();
    if (isAwaited && !this.#client.isStarted()) this.#tabs.post({ type: "hello" });
  }

  /** The leader's own, for all tabs. */
  async tellStatus(status: ClientStatus, inbox: Inbox): Promise<void> {
    // That this tab receives no longer is no news for those that follow.
    if (status.state === "stopped" && !status.error) return;
    // Nor that it was replaced, by the tab that has deposed it.
    if (status.error && (await this.#tabs.isDeposed())) return;
    this.#client.takeStatus(status, inbox);
    this.#tabs.post({ type: "status", status });
    if (status.error) await this.#membership.update();
  }

  async beginLeading(): Promise<void> {
    const { store, account } = this.#client;
    const signedIn = await this.#client.require();
    await account.reload();
    // Who has signed out says so.
    if (!this.#isOf(signedIn)) throw new SottoError("SIGNED_OUT");
    this.#isLeading = true;
    this.#tabs.post({ type: "leading" });
    const last = await batchRecord.get(store);
    if (last) {
      this.#tabs.post(last);
      await this.hear(last);
    }
    if (this.#wantsToReceive) await this.#client.startLive();
    await signedIn.outbox.resume();
  }

  async endLeading(): Promise<void> {
    this.#isLeading = false;
    await Promise.all([this.#client.stopLive(), (await this.#client.signedIn())?.outbox.pause()]);
  }

  async hear(news: News): Promise<void> {
    const signedIn = await this.#client.signedIn();
    const isStarted = this.#client.isStarted();
    switch (news.type) {
      case "account":
        await this.#client.account.reload();
        return;
      case "hello":
        if (!this.#isLeading) return;
        if (isStarted) this.#tabs.post({ type: "status", status: this.#client.status() });
        // What a tab has queued and not told, because it died.
        await signedIn?.outbox.resume();
        return;
      case "leading":
        await signedIn?.outbox.heardLeader();
        return;
      case "status":
        // The leader's is that of all who have started.
        if (!isStarted || this.#isLeading) return;
        if (signedIn) this.#client.takeStatus(news.status, signedIn.inbox);
        void this.#membership.update();
        return;
      case "batch":
        if (news.n <= this.#heardBatch) return;
        this.#heardBatch = news.n;
        if (signedIn && isStarted) await tellHere(signedIn, news);
        return;
      case "step_back":
      case "signed_out":
        return;
      case "typing":
      case "identity":
        if (signedIn && isStarted) await tellHere(signedIn, news);
        return;
      default:
        if (signedIn) await tellHere(signedIn, news);
    }
  }

  reload(): Promise<void> {
    return this.#client.inTurn(() => this.#reload());
  }

  async #reload(): Promise<void> {
    const { store, account } = this.#client;
    try {
      await turnsOf(store, "store").run(() => migrateStore(store));
    } catch (error) {
      // A later version has it now.
      await this.#end(toSottoError(error));
      throw error;
    }
    await account.reload();
    const signedIn = await this.#client.signedIn();
    if (!signedIn) return;
    if (!this.#isOf(signedIn)) return this.#end(makeError("SIGNED_OUT"));
    signedIn.session.directory.forget();
    signedIn.session.identity.forget();
    this.#tabs.post({ type: "hello" });
  }

  async #end(error: AnySottoError): Promise<void> {
    this.#isAwaited = false;
    await this.#client.end(error);
  }

  #isOf({ session: { me } }: SignedIn): boolean {
    const { me: present } = this.#client.account;
    return present?.userId === me.userId && present.deviceId === me.deviceId;
  }
}

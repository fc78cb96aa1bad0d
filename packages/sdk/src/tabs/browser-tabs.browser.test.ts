import { beforeEach, describe, expect, test } from "vitest";
import { SottoError, makeError } from "../errors.ts";
import { Account } from "../identity/account.ts";
import { Inbox } from "../messages/inbox.ts";
import { messageOf } from "../messages/received-message-fixtures.ts";
import type { ReceivedMessage } from "../messages/received-message.ts";
import type { News } from "../news.ts";
import { indexedDbStore } from "../storage/indexeddb-store.ts";
import type { Store } from "../storage/store.ts";
import type { TabHost, Tabs } from "../tabs.ts";
import { turnsOf } from "../turns.ts";

let name = "";
beforeEach(() => {
  name = crypto.randomUUID();
});

/** A store as each of several tabs opens it; in one page here, since locks and channels make no difference. */
async function openTabs(count: number) {
  const stores: (Store & { tabs: Tabs })[] = [];
  for (let at = 0; at < count; at++) {
    const store = await indexedDbStore(name);
    const { tabs } = store;
    if (!tabs) throw new Error("no tabs");
    stores.push({ ...store, tabs });
  }
  return {
    stores,
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.close();
    },
  };
}

/** Notes what a tab is asked to do. */
class Host implements TabHost {
  wantsToLead = false;
  cannotRead = false;
  readonly did: string[] = [];
  readonly heard: News[] = [];
  #changed = Promise.withResolvers<void>();

  async beginLeading(): Promise<void> {
    this.#note("leads");
  }
  async endLeading(): Promise<void> {
    this.#note("leads no more");
  }
  async hear(news: News): Promise<void> {
    this.heard.push(news);
    this.#note(news.type);
  }
  async reload(): Promise<void> {
    this.#note("reloads");
    if (this.cannotRead) throw new SottoError("STORE_TOO_NEW");
  }
  async until(what: string, times = 1): Promise<void> {
    while (this.did.filter((one) => one === what).length < times) await this.#changed.promise;
  }
  #note(what: string): void {
    this.did.push(what);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function joinAll(stores: readonly { tabs: Tabs }[]) {
  return stores.map(({ tabs }) => {
    const host = new Host();
    return { host, membership: tabs.join(host) };
  });
}

describe("turns", () => {
  test("are of one tab at a time, and lose nothing", async () => {
    await using opened = await openTabs(3);
    await Promise.all(
      opened.stores.flatMap((store) =>
        Array.from({ length: 10 }, () =>
          turnsOf(store, "store").run(async () => {
            const count = Number((await store.get("count")) ?? 0);
            await store.commit([{ key: "count", value: count + 1 }]);
          }),
        ),
      ),
    );
    expect(await opened.stores[0]?.get("count")).toBe(30);
  });

  test("one that fails, or is given up, does not stop the next", async () => {
    await using opened = await openTabs(2);
    const [one, other] = opened.stores;
    if (!one || !other) throw new Error("no stores");
    await expect(
      one.tabs.hold("name", async () => {
        throw new SottoError("NETWORK");
      }),
    ).rejects.toMatchObject({ code: "NETWORK" });
    const held = Promise.withResolvers<void>();
    const holding = one.tabs.hold("name", () => held.promise);
    const waiting = other.tabs.hold("name", async () => {}, AbortSignal.abort());
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
    held.resolve();
    await holding;
    expect(await other.tabs.hold("name", async () => "next")).toBe("next");
  });
});

describe("a leader", () => {
  test("is one tab; the next follows when it does not want to any more, or closes", async () => {
    await using opened = await openTabs(3);
    const tabs = joinAll(opened.stores);
    const [first, second, third] = tabs;
    if (!first || !second || !third) throw new Error("no tabs");
    for (const tab of tabs) {
      tab.host.wantsToLead = true;
      void tab.membership.update();
      if (tab === first) await first.host.until("leads");
    }
    first.host.wantsToLead = false;
    await first.membership.update();
    await second.host.until("leads");
    expect(third.host.did).toEqual([]);
    await second.membership.leave();
    await third.host.until("leads");
    expect(second.host.did).toEqual(["leads", "leads no more"]);
    await third.membership.leave();
  });

  test("gives way to a tab that needs it to itself, and leads again behind it", async () => {
    await using opened = await openTabs(2);
    const [leader, other] = joinAll(opened.stores);
    if (!leader || !other) throw new Error("no tabs");
    leader.host.wantsToLead = true;
    void leader.membership.update();
    await leader.host.until("leads");
    await other.membership.seize(async () => {
      expect(leader.host.did).toEqual(["leads", "leads no more"]);
    });
    await leader.host.until("leads", 2);
    await leader.membership.leave();
  });
});

describe("a deposed tab", () => {
  test("commits nothing before it has joined anew, and reads what the others did", async () => {
    await using opened = await openTabs(2);
    const [deposed, other] = opened.stores;
    if (!deposed || !other) throw new Error("no stores");
    const host = new Host();
    deposed.tabs.join(host);
    // A turn that has read, and stands still before its commit.
    const goOn = Promise.withResolvers<void>();
    const turn = turnsOf(deposed, "store").run(async () => {
      await goOn.promise;
      await deposed.commit([{ key: "a", value: "of the deposed" }]);
    });
    await other.tabs.deposeOthers();
    expect(await deposed.tabs.isDeposed()).toBe(true);
    expect(await other.tabs.isDeposed()).toBe(false);
    await expect(deposed.commit([{ key: "b", value: 1 }])).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await other.commit([{ key: "a", value: "of the other" }]);
    expect(host.did).toEqual([]);
    goOn.resolve();
    await expect(turn).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await host.until("reloads");
    expect(await deposed.get("a")).toBe("of the other");
    await deposed.commit([{ key: "b", value: 2 }]);
    expect(await other.get("b")).toBe(2);
  });

  test("commits nothing into a store that another has emptied, before it has read that", async () => {
    await using opened = await openTabs(2);
    const [other, one] = opened.stores;
    if (!other || !one) throw new Error("no stores");
    const host = new Host();
    other.tabs.join(host);
    const account = await Account.load(one, Date.now);
    // It was asked for before, and comes as soon as the store is empty.
    const emptied = account.forget();
    const late = turnsOf(other, "store").run(() => other.commit([{ key: "a", value: 1 }]));
    await emptied;
    await expect(late).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await host.until("reloads");
    expect(await one.get("a")).toBeUndefined();
  });

  test("that cannot read the store any more does not come back", async () => {
    await using opened = await openTabs(2);
    const [older, newer] = opened.stores;
    if (!older || !newer) throw new Error("no stores");
    const host = new Host();
    host.cannotRead = true;
    older.tabs.join(host);
    await newer.tabs.deposeOthers();
    for (const times of [1, 2]) {
      await expect(older.commit([{ key: "a", value: times }])).rejects.toMatchObject({
        code: "STORE_LOCKED",
      });
      await host.until("reloads", times);
      while (!(await older.tabs.isDeposed()));
    }
    expect(await newer.get("a")).toBeUndefined();
  });

  test("is told of a sign-out", async () => {
    await using opened = await openTabs(2);
    const [one, other] = joinAll(opened.stores);
    opened.stores[1]?.tabs.post({ type: "signed_out" });
    await one?.host.until("reloads");
    expect(other?.host.did).toEqual([]);
  });
});

test("news reach the other tabs in order, with their errors", async () => {
  await using opened = await openTabs(3);
  const [sender, ...others] = joinAll(opened.stores);
  const error = makeError("RATE_LIMITED", { details: { retryAfter: 7 } });
  opened.stores[0]?.tabs.post({ type: "hello" });
  opened.stores[0]?.tabs.post({
    type: "status",
    status: { state: "stopped", isCaughtUp: false, error },
  });
  for (const { host } of others) {
    await host.until("status");
    expect(host.did).toEqual(["hello", "status"]);
    const [, news] = host.heard;
    if (news?.type !== "status") throw new Error("no status");
    expect(news.status.error).toBeInstanceOf(SottoError);
    expect(news.status.error).toMatchObject({ code: "RATE_LIMITED", details: { retryAfter: 7 } });
  }
  expect(sender?.host.did).toEqual([]);
});

test("a tab is alone when the others have closed", async () => {
  await using opened = await openTabs(1);
  const [one] = opened.stores;
  const other = await indexedDbStore(name);
  expect(await one?.tabs.isAlone()).toBe(false);
  await other.close();
  // The lock manager learns of it in its own time.
  while (!(await one?.tabs.isAlone()));
  expect(await one?.tabs.isAlone()).toBe(true);
});

async function receive(store: Store, ...texts: string[]): Promise<void> {
  await turnsOf(store, "store").run(async () =>
    store.commit(await new Inbox(store, 10).writesFor(texts.map(messageOf))),
  );
}

async function readNext(reading: AsyncGenerator<ReceivedMessage, void>): Promise<string> {
  const { value } = await reading.next();
  return value?.kind === "opaque" ? value.ciphertext : "(nothing)";
}

describe("each reader of the inbox", () => {
  test("gets everything from its beginning on; a later one begins behind what was consumed", async () => {
    await using opened = await openTabs(3);
    const [one, two, three] = opened.stores;
    if (!one || !two || !three) throw new Error("no stores");
    await receive(one, "1", "2", "3");
    const [first, second] = [new Inbox(one).read(), new Inbox(two).read()];
    expect(await readNext(second)).toBe("1");
    expect([await readNext(first), await readNext(first), await readNext(first)]).toEqual(["1", "2", "3"]);
    // 1 and 2 are consumed.
    const third = new Inbox(three).read();
    expect(await readNext(third)).toBe("3");
    await receive(two, "4");
    expect([await readNext(second), await readNext(second), await readNext(second)]).toEqual(["2", "3", "4"]);
    expect([await readNext(first), await readNext(third)]).toEqual(["4", "4"]);
    await Promise.all([first.return(), second.return(), third.return()]);
    expect(await one.list("inbox/")).toHaveLength(1);
  });

  test("loses nothing while any tab reads, however much waits", async () => {
    await using opened = await openTabs(2);
    const [one, two] = opened.stores;
    if (!one || !two) throw new Error("no stores");
    await receive(one, "1", "2");
    const reading = new Inbox(two).read();
    expect(await readNext(reading)).toBe("1");
    await receive(one, ...Array.from({ length: 20 }, (_, at) => String(at + 3)));
    expect(await readNext(reading)).toBe("2");
    await reading.return();
    await receive(one, "23");
    expect(await readNext(new Inbox(two).read())).toBe("14");
  });
});

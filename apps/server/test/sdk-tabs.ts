import type { Me } from "@sotto/sdk";
import type { Page, Worker } from "playwright-core";
import { expect } from "vitest";
import { openPage } from "../../../packages/sdk/test/browser/open-page.ts";
import { randomPhone } from "./rest-client.ts";
import { TestUser } from "./sdk-fixtures.ts";
import { startTestServer } from "./test-server.ts";

export const tabEntry = 'import { tab } from "./tab-page.ts"; globalThis.tab = tab;';
const text = (value: unknown): string => JSON.stringify(value);

/** A client in a page or a worker, driven from outside. */
class Driven<Place extends Page | Worker> {
  readonly place: Place;
  constructor(place: Place) {
    this.place = place;
  }

  run<T = void>(call: string, ...args: unknown[]): Promise<T> {
    const expression = `tab.${call}(${args.map(text).join(", ")})`;
    // Both have it, but a union of its overloads takes no type.
    return (this.place as Pick<Worker, "evaluate">).evaluate<T>(expression);
  }

  told(): Promise<{ lines: string[]; messages: string[]; statuses: string[]; sent: string[] }> {
    return this.run("told");
  }
}

/** A page with a client. */
export class Tab extends Driven<Page> {
  get page(): Page {
    return this.place;
  }

  /** A module worker of this page that has run the same script. */
  async startWorker(): Promise<WorkerTab> {
    const started = this.page.waitForEvent("worker");
    await this.page.evaluate('new Worker("/main.js", { type: "module" })');
    const worker = await started;
    await expect.poll(() => worker.evaluate("typeof tab"), { timeout: 10_000 }).toBe("object");
    return new WorkerTab(worker);
  }
}

/** A client in a worker. */
export class WorkerTab extends Driven<Worker> {
  /** Ends it in the midst of what it does. */
  async kill(): Promise<void> {
    const closed = this.place.waitForEvent("close");
    await this.place.evaluate("void self.close()");
    await closed;
  }
}

/** A user with several tabs in one browser, and a peer in Node. */
export async function openTabs(count: number) {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startTestServer());
  const peer = stack.use(await TestUser.open({ url: server.url }));
  const opened = stack.use(await openPage(tabEntry, { hasProcesses: true }));
  const tabs = [new Tab(opened.page)];
  const [first] = tabs;
  if (!first) throw new Error("no tab");
  await first.run("open", server.url);
  const me = await first.run<Me>("signIn", randomPhone());
  const openTab = async (): Promise<Tab> => {
    const tab = new Tab(await opened.openTab());
    expect(await tab.run("open", server.url)).toEqual(me);
    return tab;
  };
  while (tabs.length < count) tabs.push(await openTab());
  for (const tab of tabs) {
    await tab.run("start");
    await tab.run("untilCaughtUp");
  }
  const moved = stack.move();
  return {
    server,
    peer,
    me,
    tabs,
    openTab,
    toMe: peer.client.conversations.with(me.userId),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

export const leaderOf = async (tabs: readonly Tab[]): Promise<Tab> => {
  for (const tab of tabs) if (await tab.run<boolean>("isLeading")) return tab;
  throw new Error("nobody leads");
};

/** Kills the page's process. */
export async function crash(page: Page): Promise<void> {
  const crashed = page.waitForEvent("crash");
  const session = await page.context().newCDPSession(page);
  session.send("Page.crash").catch(() => {});
  await crashed;
}

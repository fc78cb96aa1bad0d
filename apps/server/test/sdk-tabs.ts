import type { Me } from "@sotto/sdk";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { openPage } from "../../../packages/sdk/test/browser/open-page.ts";
import { randomPhone } from "./rest-client.ts";
import { TestUser } from "./sdk-fixtures.ts";
import { startTestServer } from "./test-server.ts";

export const tabEntry = 'import { tab } from "./tab-page.ts"; globalThis.tab = tab;';
const text = (value: unknown): string => JSON.stringify(value);
/** A page with a client, driven from outside. */
export class Tab {
  readonly page: Page;
  constructor(page: Page) {
    this.page = page;
  }

  run<T = void>(call: string, ...args: unknown[]): Promise<T> {
    return this.page.evaluate<T>(`tab.${call}(${args.map(text).join(", ")})`);
  }

  told(): Promise<{ lines: string[]; messages: string[]; statuses: string[]; sent: string[] }> {
    return this.run("told");
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

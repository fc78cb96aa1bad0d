import { type AddressInfo, createServer } from "node:net";
import type { Me } from "@sotto/sdk";
import { expect, test } from "vitest";
import { openPage } from "../../../../packages/sdk/test/browser/open-page.ts";
import { randomPhone } from "../rest-client.ts";
import { Tab, crash, leaderOf, openTabs, tabEntry } from "../sdk-tabs.ts";
import { startTestServer } from "../test-server.ts";

const timeoutMs = 60_000;
const range = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${name} ${at}`);

test("three tabs show each message once, and are one device", { timeout: timeoutMs }, async () => {
  await using world = await openTabs(3);
  const { peer, tabs, me, toMe } = world;
  expect(await Promise.all(tabs.map((tab) => tab.run("isLeading")))).toEqual([true, false, false]);
  for (const one of range("to you", 5)) await toMe.send(one);
  for (const tab of tabs) {
    await tab.run("untilLine", "to you 4");
    await tab.run("untilMessage", "to you 4");
    const { lines, messages } = await tab.told();
    expect(lines).toEqual(range("to you", 5));
    expect(messages).toEqual(range("to you", 5));
    expect(await tab.run("unread", peer.userId)).toBe(5);
  }
  await tabs[2]?.run("markRead", peer.userId);
  expect(await tabs[0]?.run("unread", peer.userId)).toBe(0);
  expect(await toMe.find({ senderUserId: me.userId, clientMessageId: "" })).toBeUndefined();
  await peer.untilAsync("read", async () => (await toMe.messages()).messages.at(-1)?.state === "read");
});

test("tabs send at the same time: nothing doubled, each tab's in order", { timeout: timeoutMs }, async () => {
  await using world = await openTabs(2);
  const { peer, tabs } = world;
  const names = ["left", "right"];
  await Promise.all(tabs.map((tab, at) => tab.run("queue", peer.userId, range(names[at] ?? "", 15))));
  for (const tab of tabs) await tab.run("untilSent", 30);
  await peer.untilReceived(30);
  expect(new Set(peer.texts).size).toBe(30);
  for (const name of names) expect(peer.texts.filter((one) => one.startsWith(name))).toEqual(range(name, 15));
  expect(peer.received.every(({ kind }) => kind === "text")).toBe(true);
  // Receipts may still be coming.
  for (const tab of tabs) {
    const timeline = await tab.run<string[]>("timeline", peer.userId);
    expect(timeline.map((line) => line.split(":")[0])).toEqual(peer.texts);
  }
  for (const tab of tabs) {
    const linesOf = async () => (await tab.told()).lines.toSorted();
    await expect.poll(linesOf, { timeout: 10_000 }).toEqual(peer.texts.toSorted());
  }
});

test("the leader's tab dies mid-batch and mid-send: another goes on", { timeout: timeoutMs }, async () => {
  await using world = await openTabs(3);
  const { peer, tabs, toMe } = world;
  const [leader, ...others] = tabs;
  if (!leader) throw new Error("no leader");
  await toMe.send("before");
  for (const tab of tabs) await tab.run("untilLine", "before");
  // Its messages, and those of a follower, are on their way when it dies, and others are coming.
  await leader.run("queue", peer.userId, range("from the leader", 20));
  await others[0]?.run("queue", peer.userId, range("from a follower", 5));
  const coming = Promise.all(range("to you", 30).map((one) => toMe.send(one)));
  await leader.run("untilLine", "to you 0");
  await crash(leader.page);
  await coming;
  for (const tab of others) {
    await tab.run("untilLine", "to you 29");
    await tab.run("untilMessage", "to you 29");
    const { lines, messages } = await tab.told();
    const ofPeer = ["before", ...range("to you", 30)];
    expect(lines.filter((one) => ofPeer.includes(one)).toSorted()).toEqual(ofPeer.toSorted());
    expect(messages).toHaveLength(31);
    expect(new Set(messages).size).toBe(31);
  }
  await peer.untilReceived(25);
  expect(peer.texts.toSorted()).toEqual(
    [...range("from the leader", 20), ...range("from a follower", 5)].toSorted(),
  );
  await others[0]?.run("untilSent", 5);
  expect(await leaderOf(others)).toBeDefined();
});

test(
  "a leader that stands still is replaced, and follows when it goes on",
  { timeout: timeoutMs },
  async () => {
    await using world = await openTabs(2);
    await using ice = await Ice.open();
    const { peer, tabs, toMe } = world;
    const [frozen, other] = tabs;
    if (!frozen || !other) throw new Error("no tabs");
    await toMe.send("before");
    await frozen.run("untilLine", "before");
    const thawed = frozen.run("freeze", ice.url);
    await ice.untilAsked;
    await toMe.send("while one stands still");
    const sending = other.run("send", peer.userId, "from the other");
    await other.run("untilLine", "while one stands still");
    await sending;
    ice.melt();
    await thawed;
    await frozen.run("untilLine", "while one stands still");
    await frozen.run("untilMessage", "while one stands still");
    await toMe.send("after");
    for (const tab of tabs) {
      await tab.run("untilLine", "after");
      await tab.run("untilMessage", "after");
      const { lines, messages, statuses } = await tab.told();
      const ofPeer = lines.filter((one) => one !== "from the other");
      expect(ofPeer).toEqual(["before", "while one stands still", "after"]);
      expect(messages).toEqual(["before", "while one stands still", "after"]);
      expect(statuses).not.toContain("replaced");
    }
    expect(await other.run("isLeading")).toBe(true);
    await frozen.run("send", peer.userId, "from the one that stood still");
    await peer.untilReceived(2);
    expect(peer.texts).toEqual(["from the other", "from the one that stood still"]);
  },
);

test(
  "signing out in one tab signs out all; signing in again begins anew",
  { timeout: timeoutMs },
  async () => {
    await using world = await openTabs(3);
    const { peer, tabs, toMe, server } = world;
    await toMe.send("before");
    for (const tab of tabs) await tab.run("untilMessage", "before");
    await tabs[0]?.run("beginFile", peer.userId);
    await tabs[1]?.run("signOut");
    expect(await tabs[0]?.run("fileError")).toBe("STORE_LOCKED");
    for (const tab of [tabs[0], tabs[2]]) {
      await tab?.run("untilStatus", "signed_out");
      await tab?.run("untilMessage", "(SIGNED_OUT)");
      expect(await tab?.run("me")).toBeNull();
      expect((await tab?.told())?.statuses).not.toContain("device_removed");
    }
    expect(await tabs[1]?.run("me")).toBeNull();
    const me = await tabs[2]?.run<Me>("signIn", randomPhone());
    await tabs[2]?.run("start");
    await peer.client.conversations.with(me?.userId ?? "").send("to the new device");
    await tabs[2]?.run("untilMessage", "to the new device");
    expect(server.url).not.toBe("");
  },
);

test("tabs are reloaded, stopped and closed: the others go on", { timeout: timeoutMs }, async () => {
  await using world = await openTabs(2);
  const { peer, tabs, toMe, server } = world;
  const [first, second] = tabs;
  if (!first || !second) throw new Error("no tabs");
  await toMe.send("one");
  for (const tab of tabs) await tab.run("untilMessage", "one");
  // Without a word, as when the user reloads.
  await first.page.reload();
  await toMe.send("two");
  await second.run("untilMessage", "two");
  await first.run("open", server.url);
  await first.run("start");
  await first.run("untilCaughtUp");
  await toMe.send("three");
  await first.run("untilMessage", "three");
  expect((await first.told()).messages.at(-1)).toBe("three");
  await second.run("stop");
  expect(await second.run("status")).toBe("stopped");
  await toMe.send("four");
  await first.run("untilMessage", "four");
  expect((await second.told()).lines).not.toContain("four");
  await second.run("start");
  await toMe.send("five");
  await second.run("untilMessage", "five");
  await first.run("close");
  await second.run("send", peer.userId, "from the last one");
  await peer.untilReceived(1);
  // What the other one has consumed while this one was stopped does not come again.
  expect((await second.told()).messages).toEqual(["one", "two", "three", "five"]);
});

test("without Web Locks the tab that opened the store last has it", { timeout: timeoutMs }, async () => {
  await using server = await startTestServer();
  await using opened = await openPage(tabEntry, {
    beforeEntry: "Object.defineProperty(navigator, 'locks', { value: undefined });",
  });
  const [older, newer] = [new Tab(opened.page), new Tab(await opened.openTab())];
  await older.run("open", server.url);
  await newer.run("open", server.url);
  await newer.run("signIn", randomPhone());
  await expect(older.run("signIn", randomPhone())).rejects.toThrow("The store is open in another client");
});

/** Answers no request before it melts. */
class Ice implements AsyncDisposable {
  readonly url: string;
  readonly untilAsked: Promise<void>;
  readonly #server: ReturnType<typeof createServer>;
  readonly #melted = Promise.withResolvers<void>();

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const asked = Promise.withResolvers<void>();
    this.untilAsked = asked.promise;
    server.on("connection", (socket) => {
      socket.on("error", () => {});
      socket.once("data", () => {
        asked.resolve();
        const answer =
          "HTTP/1.1 204 No Content\r\naccess-control-allow-origin: *\r\nconnection: close\r\n\r\n";
        void this.#melted.promise.then(() => socket.end(answer));
      });
    });
  }

  static async open(): Promise<Ice> {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    return new Ice(server);
  }

  melt(): void {
    this.#melted.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.melt();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

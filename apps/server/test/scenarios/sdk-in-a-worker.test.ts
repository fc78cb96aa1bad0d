/** A whole client in a module worker: alone, and as one of the tabs of its store. */
import type { Me } from "@sotto/sdk";
import { expect, test } from "vitest";
import { openPage } from "../../../../packages/sdk/test/browser/open-page.ts";
import { randomPhone } from "../rest-client.ts";
import { downloaded, lastFile } from "../sdk-files.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { Tab, tabEntry } from "../sdk-tabs.ts";
import { startTestServer } from "../test-server.ts";

const timeoutMs = 60_000;

/** A page without a client of its own, and a peer in Node. */
async function openWorld() {
  await using stack = new AsyncDisposableStack();
  const { url } = stack.use(await startTestServer());
  const peer = stack.use(await TestUser.open({ url }));
  const { page, complaints } = stack.use(await openPage(tabEntry, { hasProcesses: true }));
  const moved = stack.move();
  return { url, peer, page: new Tab(page), complaints, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

test("a worker signs in, receives, sends, and is there again", { timeout: timeoutMs }, async () => {
  await using world = await openWorld();
  const { url, peer, page, complaints } = world;
  const worker = await page.startWorker();
  expect(await worker.place.evaluate("typeof document")).toBe("undefined");
  expect(await worker.run("open", url)).toBeNull();
  const me = await worker.run<Me>("signIn", randomPhone());
  await worker.run("start");
  const toMe = peer.client.conversations.with(me.userId);

  await toMe.send("to the worker");
  await worker.run("untilMessage", "to the worker");
  await worker.run("send", peer.userId, "from the worker");
  await worker.run("sendFile", peer.userId, "a file of the worker's");
  await peer.untilReceived(2);
  expect(peer.texts).toEqual(["from the worker", "(file)"]);
  expect(await (await downloaded(peer, lastFile(peer))).text()).toBe("a file of the worker's");
  await toMe.sendFile(new Blob(["a file for the worker"]), { name: "tide.txt" });
  await worker.run("untilMessage", "file");
  expect(await worker.run("readFile", peer.userId)).toBe("a file for the worker");
  await worker.run("close");
  await expect(worker.run("send", peer.userId, "too late")).rejects.toThrow("The client is closed");
  await worker.kill();

  await toMe.send("while it was away");
  const next = await page.startWorker();
  expect(await next.run("open", url)).toEqual(me);
  await next.run("start");
  await next.run("untilMessage", "while it was away");
  const lines = await next.run<string[]>("timeline", peer.userId);
  expect(lines.map((line) => line.split(":")[0])).toEqual([
    "to the worker",
    "from the worker",
    "file",
    "file",
    "while it was away",
  ]);
  await next.run("close");
  // An answer of 404 is one: the client asks whether a new conversation is a group.
  expect(complaints.filter((complaint) => !complaint.includes("status of 404"))).toEqual([]);
});

test("a worker and a page share a store as two tabs do", { timeout: timeoutMs }, async () => {
  await using world = await openWorld();
  const { url, peer, page } = world;
  const worker = await page.startWorker();
  await worker.run("open", url);
  const me = await worker.run<Me>("signIn", randomPhone());
  await worker.run("start");
  await worker.run("untilCaughtUp");
  expect(await page.run("open", url)).toEqual(me);
  await page.run("start");
  await page.run("untilCaughtUp");
  expect(await worker.run("isLeading")).toBe(true);
  expect(await page.run("isLeading")).toBe(false);

  const toMe = peer.client.conversations.with(me.userId);
  await toMe.send("to both");
  for (const one of [worker, page]) {
    await one.run("untilLine", "to both");
    await one.run("untilMessage", "to both");
    expect((await one.told()).messages).toEqual(["to both"]);
  }
  // The page follows: what it sends goes through the worker.
  await page.run("send", peer.userId, "from the page");
  await worker.run("send", peer.userId, "from the worker");
  await peer.untilReceived(2);
  expect(peer.texts).toEqual(["from the page", "from the worker"]);

  // Its locks go with it, and the page takes the lead.
  await worker.kill();
  await page.run("send", peer.userId, "from the page alone");
  await peer.untilReceived(3);
  await toMe.send("to the page alone");
  await page.run("untilMessage", "to the page alone");
  expect(await page.run("isLeading")).toBe(true);
  expect((await page.told()).messages).toEqual(["to both", "to the page alone"]);
});

import { expect, test } from "vitest";
import { runMaintenance } from "../../src/maintenance.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { startTestServer } from "../test-server.ts";

const dayMs = 86_400_000;

test("a device that was away for longer than logs are kept is told the gap, and takes what it missed from elsewhere", async () => {
  let time = Date.now();
  const now = () => time;
  await using server = await startTestServer({ now: () => new Date(time) });
  const { url } = server;
  await using alice = await TestUser.open({ url, now });
  await using bob = await TestUser.open({ url, now });
  const { me } = alice;
  await bob.to(alice).send("before");
  await alice.untilReceived(1);
  await alice.to(bob).send("read while Alice is away");
  await bob.untilReceived(1);
  await alice.event("receipt");
  await alice.client.stop();

  await bob.to(alice).markRead();
  time += 40 * dayMs;
  await runMaintenance(server.app);
  await bob.signIn();
  await alice.signIn();
  const gap = alice.event("resync");
  const isRead = alice.event("messageChanged", ({ state }) => state === "read");
  await alice.start();

  const { log, prunedFrom, prunedThrough } = await gap;
  expect(log).toBe(alice.userId);
  expect(prunedFrom).not.toBeNull();
  expect(prunedThrough).toBeGreaterThanOrEqual(prunedFrom ?? Infinity);
  expect((await isRead).content).toMatchObject({ text: "read while Alice is away" });

  expect(alice.me, "the device, and its keys, are the same").toEqual(me);
  await bob.to(alice).send("after");
  await alice.untilReceived(2);
  expect(alice.texts).toEqual(["before", "after"]);
  const { messages } = await alice.to(bob).messages();
  expect(messages.map(({ content }) => "text" in content && content.text)).toEqual([
    "before",
    "read while Alice is away",
    "after",
  ]);
}, 30_000);

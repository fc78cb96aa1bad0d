import { setTimeout as delay } from "node:timers/promises";
import type { Store } from "@sotto/sdk";
import { expect, test, vi } from "vitest";
import { Proxy } from "../proxy.ts";
import { CrashingStore, TestUser } from "../sdk-fixtures.ts";
import { expectSame, mib, randomFile } from "../sdk-files.ts";
import { startTestServer } from "../test-server.ts";

const waitMs = 15_000;

test(
  "of a client that dies at any commit, the file comes once and can be read, and nothing is left",
  { timeout: 60_000 },
  async () => {
    await using server = await startTestServer();
    await using bob = await TestUser.open({ url: server.url });
    const file = randomFile(2 * mib);
    // Spooled twice, queued, sealed, sent: each of these commits, done or not.
    for (const [key, count] of [
      ["spooled/", 3],
      ["sent/", 4],
    ] as const) {
      for (let nth = 1; nth <= count; nth++) {
        for (const when of ["before", "after"] as const) {
          const disk = new CrashingStore();
          const first = await TestUser.open({ url: server.url, store: disk.open() });
          await first.to(bob).send("hello");
          await bob.until("hello", () => bob.texts.at(-1) === "hello");
          const already = bob.received.length;
          let seen = 0;
          disk.crashAt(when, (keys) => keys.some((each) => each.startsWith(key)) && ++seen === nth);
          const clientMessageId = crypto.randomUUID();
          const sending = first.to(bob).sendFile(file, { name: "n", clientMessageId });
          await sending.catch(() => {});
          await first.client.close().catch(() => {});
          await using second = await TestUser.open({
            url: server.url,
            store: disk.open(),
            phone: first.phone,
          });
          await second.to(bob).sendFile(file, { name: "n", clientMessageId });
          await second.to(bob).send("last");
          await bob.until("the last", () => bob.texts.at(-1) === "last");
          const files = bob.received.slice(already).filter(({ kind }) => kind === "file");
          expect(files, `${when} ${key} ${nth}`).toHaveLength(1);
          for (const each of files) if (each.kind === "file") await expectSame(bob, file, each);
          await vi.waitFor(async () => expect(await disk.list("spool")).toEqual([]), waitMs);
        }
      }
    }
  },
);

/** The disk of a client that has died while it encrypted a large file to nobody that is here, and that file's id. */
async function leaveBehind(url: string): Promise<{ disk: CrashingStore; clientMessageId: string }> {
  const disk = new CrashingStore();
  await using peer = await TestUser.open({ url });
  const alice = await TestUser.open({ url, store: disk.open() });
  let seen = 0;
  disk.crashAt("after", (keys) => keys.some((key) => key.startsWith("spooled/")) && ++seen === 5);
  const clientMessageId = crypto.randomUUID();
  const sending = alice.to(peer).sendFile(randomFile(9 * mib), { name: "n", clientMessageId });
  await expect(sending).rejects.toMatchObject({ code: "STORE_FAILED" });
  await alice.client.close().catch(() => {});
  expect(await disk.list("spool/")).toHaveLength(5);
  return { disk, clientMessageId };
}

test("what was left is removed before the same message's file is encrypted anew", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using bob = await TestUser.open({ url: server.url });
  const { disk, clientMessageId } = await leaveBehind(server.url);
  const inner = disk.open();
  const [removing, mayRemove, removed] = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const store: Store = {
    ...inner,
    commit: async (writes) => {
      const isRemoval = writes.some(({ key, value }) => key.startsWith("spool/") && value === undefined);
      if (isRemoval) removing?.resolve();
      if (isRemoval) await mayRemove?.promise;
      await inner.commit(writes);
      if (writes.some(({ key, value }) => key.startsWith("spooled/") && value === undefined))
        removed?.resolve();
    },
  };
  proxy.goOffline();
  await using alice = await TestUser.open({ url: proxy.url, store });
  await removing?.promise;
  const queued = alice.event("outbox", (event) => event.clientMessageId === clientMessageId);
  const file = randomFile(3 * mib);
  const sending = alice.to(bob).sendFile(file, { name: "n", clientMessageId });
  sending.catch(() => {});
  // So long it could be encrypted, did it not wait.
  await Promise.race([queued, delay(1000)]);
  mayRemove?.resolve();
  await Promise.all([queued, removed?.promise]);
  proxy.goOnline();
  await sending;
  await bob.untilReceived(1);
  await expectSame(bob, file);
  await vi.waitFor(async () => expect(await disk.list("spool")).toEqual([]), waitMs);
});

test("a shorter file that is given up leaves nothing of the longer one that was left", async () => {
  await using server = await startTestServer();
  await using bob = await TestUser.open({ url: server.url });
  const { disk, clientMessageId } = await leaveBehind(server.url);
  await using alice = await TestUser.open({ url: server.url, store: disk.open(), isStarted: false });
  const broken = async function* () {
    yield new Uint8Array(2 * mib);
    // Its first piece takes the place of the one that was left.
    await vi.waitFor(async () => {
      const [spooled] = await disk.list("spooled/");
      expect(spooled?.value).toBeLessThan(5);
    }, waitMs);
    throw new Error("the disk is gone");
  };
  const sending = alice.to(bob).sendFile(broken(), { name: "n", clientMessageId });
  await expect(sending).rejects.toThrow("the disk is gone");
  expect(await disk.list("spool")).toEqual([]);
});

import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Store, memoryStore } from "@sotto/sdk";
import { directorySpool } from "@sotto/sdk/node";
import { afterAll, expect, test } from "vitest";
import { Proxy } from "../proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { expectSame, randomFile } from "../sdk-files.ts";
import { startTestServer } from "../test-server.ts";

const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url } = server;
const emptied = [{ key: "store-version", value: expect.any(Number) as unknown }];

test("a file that cannot be removed keeps nothing else here, and the user is signed out", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "sotto-signs-out-"));
  const [store, spool] = [memoryStore(), directorySpool(directory)];
  await using alice = await TestUser.open({ url, store, spool });
  await using bob = await TestUser.open({ url });
  await alice.to(bob).send("before");
  // It would be removed as soon as the client starts, had it not come meanwhile.
  await mkdir(path.join(directory, "a.age"));
  for (const name of ["a.age/inside", "b.age"]) await writeFile(path.join(directory, name), "");
  await expect(alice.client.signOut()).rejects.toMatchObject({
    code: "STORE_FAILED",
    cause: { code: "ERR_FS_EISDIR" },
  });
  expect(await store.list("")).toEqual(emptied);
  expect(alice.client.me).toBeNull();
  expect(await readdir(directory)).toEqual(["a.age"]);
  await using again = await TestUser.open({ url, store, spool });
  const file = randomFile(1000);
  await again.to(bob).sendFile(file, { name: "n" });
  await bob.untilReceived(2);
  await expectSame(bob, file);
  await rm(directory, { recursive: true });
});

test("a store that cannot be emptied says so, and signing out once more empties it", async () => {
  const inner = memoryStore();
  let isFull = false;
  const store: Store = {
    ...inner,
    commit: async (writes) => {
      if (isFull && writes.some(({ key, value }) => key === "account" && value === undefined)) {
        throw new Error("the disk is full");
      }
      await inner.commit(writes);
    },
  };
  await using alice = await TestUser.open({ url, store });
  isFull = true;
  await expect(alice.client.signOut()).rejects.toMatchObject({
    code: "STORE_FAILED",
    cause: { message: "the disk is full" },
  });
  expect(alice.client.me).not.toBeNull();
  await alice.until("removed", () => alice.client.status.state === "device_removed");
  isFull = false;
  await alice.client.signOut();
  expect(alice.client.me).toBeNull();
  expect(await inner.list("")).toEqual(emptied);
});

test("what came into the store after its user has signed out is not the next one's to send", async () => {
  const store = memoryStore();
  await using proxy = await Proxy.open(url);
  await using bob = await TestUser.open({ url });
  await using alice = await TestUser.open({ url: proxy.url, store });
  const clientMessageId = crypto.randomUUID();
  const queued = alice.event("outbox", ({ state }) => state === "queued");
  proxy.goOffline();
  const sending = alice.to(bob).send("not yours", { clientMessageId });
  sending.catch(() => {});
  await queued;
  const names = ["sent/", "outbox/", "unplaced/"];
  const late = (await Promise.all(names.map((name) => store.list(name)))).flat();
  expect(late).toHaveLength(3);
  await alice.to(bob).cancel(clientMessageId);
  proxy.goOnline();
  await alice.client.signOut();
  expect(await store.list("")).toEqual(emptied);
  // As a tab does that was about to, and has not learned yet that its session is over.
  await store.commit(late);
  await using carol = await TestUser.open({ url, store });
  await carol.to(bob).send("mine");
  await bob.untilReceived(1);
  expect(bob.texts).toEqual(["mine"]);
  await carol.untilShows(carol.to(bob), ["mine"]);
  expect(await store.get(`sent/${clientMessageId}`)).toBeUndefined();
});

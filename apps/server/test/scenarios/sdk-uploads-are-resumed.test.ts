import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { memoryStore, type FileProgress } from "@sotto/sdk";
import { directorySpool } from "@sotto/sdk/node";
import { expect, test, vi } from "vitest";
import { createTestDatabase } from "../database.ts";
import { Proxy } from "../proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { expectSame, lastFile, mib, randomFile } from "../sdk-files.ts";
import { startTestServer } from "../test-server.ts";

/** Does something once an upload has got so far. */
function whenUploaded(bytes: number, act: () => void): (progress: FileProgress) => void {
  let isDone = false;
  return ({ phase, done }) => {
    if (isDone || phase !== "uploading" || done < bytes) return;
    isDone = true;
    act();
  };
}

test("an upload goes on after cut sockets, and so does a download", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: proxy.url });
  const file = randomFile(14 * mib);
  const offsets: number[] = [];
  let cuts = 0;
  await alice.to(bob).sendFile(file, {
    name: "n",
    onProgress: ({ phase, done }) => {
      if (phase !== "uploading") return;
      offsets.push(done);
      if (cuts < 2) {
        cuts++;
        // The next part is on its way by then.
        setTimeout(() => proxy.cut(), 5);
      }
    },
  });
  expect(cuts).toBe(2);
  expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
  await bob.untilReceived(1);
  const [received] = bob.received;
  if (received?.kind !== "file") throw new Error("no file");
  let isCut = false;
  const stream = bob.client.files.download(received, {
    onProgress: ({ done }) => {
      if (isCut || done < mib) return;
      isCut = true;
      proxy.cut();
    },
  });
  expect((await new Response(stream).blob()).size).toBe(file.size);
  expect(isCut).toBe(true);
  await expectSame(bob, file);
});

test("an upload goes on after a restart of the server, with what it has", async () => {
  await using database = await createTestDatabase();
  const first = await startTestServer({ database });
  await using proxy = await Proxy.open(first.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: proxy.url });
  const file = randomFile(14 * mib);
  const stopped = Promise.withResolvers<void>();
  const offsets: number[] = [];
  const stop = whenUploaded(4 * mib, () => {
    proxy.goOffline();
    first[Symbol.asyncDispose]().then(stopped.resolve, stopped.reject);
  });
  const sending = alice.to(bob).sendFile(file, {
    name: "n",
    onProgress: (progress) => {
      if (progress.phase === "uploading") offsets.push(progress.done);
      stop(progress);
    },
  });
  await stopped.promise;
  await using second = await startTestServer({ database });
  proxy.targetUrl = second.url;
  proxy.goOnline();
  await sending;
  // Not from the beginning.
  expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
  await bob.untilReceived(1);
  await expectSame(bob, file);
});

test.each(["in the store", "in a directory"])(
  "after a restart of the client the same bytes go on, though the source is gone: %s",
  async (where) => {
    const directory = await mkdtemp(path.join(tmpdir(), "sotto-files-"));
    await using server = await startTestServer();
    const store = memoryStore();
    const spool = where === "in a directory" ? directorySpool(directory) : undefined;
    const options = { url: server.url, store, ...(spool ? { spool } : {}) };
    const alice = await TestUser.open(options);
    await using bob = await TestUser.open({ url: server.url });
    const file = randomFile(14 * mib);
    const half = Promise.withResolvers<void>();
    const sending = alice
      .to(bob)
      .sendFile(file, { name: "n", onProgress: whenUploaded(4 * mib, half.resolve) });
    sending.catch(() => {});
    const later = alice.to(bob);
    await half.promise;
    void later.send("after it").catch(() => {});
    await alice.client.close();
    await expect(sending).rejects.toMatchObject({ code: "CLOSED" });
    const [upload] = await server.app.db.selectFrom("blob_uploads").select("offset_bytes").execute();
    expect(upload?.offset_bytes).toBeGreaterThanOrEqual(4 * mib);

    await using again = await TestUser.open(options);
    await bob.untilReceived(1);
    await expectSame(bob, file);
    await again.to(bob).send("done");
    expect(await store.list("spool")).toEqual([]);
    if (spool) expect(await readdir(directory)).toEqual([]);
    await rm(directory, { recursive: true });
  },
);

test("a client that dies between its message and the tie to it ties it when it is back", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using bob = await TestUser.open({ url: server.url });
  const store = memoryStore();
  const alice = await TestUser.open({ url: proxy.url, store });
  const file = randomFile(100_000);
  const isGone = proxy.loseRequestTo("/trpc/attachments.attach").then(() => {
    proxy.goOffline();
  });
  alice
    .to(bob)
    .sendFile(file, { name: "n" })
    .catch(() => {});
  await isGone;
  await bob.untilReceived(1);
  await alice.client.close();
  expect(await server.app.db.selectFrom("attachments").select("id").execute()).toEqual([]);
  proxy.goOnline();
  await using again = await TestUser.open({ url: proxy.url, store });
  await expectSame(bob, file);
  await again.untilCaughtUp();
  await vi.waitFor(async () => expect(await store.list("spool")).toEqual([]));
});

test("lost answers do nothing twice", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  for (const path of [
    "/trpc/uploads.create",
    "/uploads/",
    "/trpc/messages.send",
    "/trpc/attachments.attach",
  ]) {
    const file = randomFile(300_000);
    const lost = proxy.loseAnswerTo(path);
    await alice.to(bob).sendFile(file, { name: path });
    await lost;
    await bob.until(path, () => bob.received.at(-1)?.kind === "file" && lastFile(bob).name === path);
    await expectSame(bob, file);
  }
  expect(bob.received).toHaveLength(4);
  expect(await server.app.db.selectFrom("blobs").select("id").execute()).toHaveLength(4);
});

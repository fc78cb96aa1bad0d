import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { memoryStore, type Store } from "@sotto/sdk";
import { fileStore } from "@sotto/sdk/node";
import { afterAll, expect, test, vi } from "vitest";
import { TestUser } from "../sdk-fixtures.ts";
import { countBlobs, downloaded, expectSame, lastFile, mib, randomFile } from "../sdk-files.ts";
import { startTestServer } from "../test-server.ts";

const waitMs = 15_000;
const server = await startTestServer();
afterAll(() => server[Symbol.asyncDispose]());
const { url, app } = server;

test("a file comes to both users' devices as it was, and the server sees nothing of it", async () => {
  await using alice = await TestUser.open({ url });
  await using tablet = await TestUser.open({ url, phone: alice.phone });
  await using bob = await TestUser.open({ url });
  const file = randomFile(3 * mib + 17);
  const thumbnail = new Uint8Array([1, 2, 3]);
  const progress: string[] = [];
  const sent = await alice.to(bob).sendFile(file, {
    name: "harbour plan.png",
    width: 640,
    height: 480,
    thumbnail,
    caption: "look",
    onProgress: ({ phase, done, total }) => progress.push(`${phase} ${done} ${total}`),
  });
  for (const reader of [bob, tablet]) {
    await reader.untilReceived(1);
    expect(lastFile(reader)).toMatchObject({
      name: "harbour plan.png",
      mimeType: "image/png",
      size: file.size,
      width: 640,
      height: 480,
      thumbnail,
      caption: "look",
      assurance: "signed",
    });
    await expectSame(reader, file);
  }
  const { messages } = await alice.to(bob).messages();
  const { content } = messages[0] ?? {};
  expect(content).toMatchObject({ kind: "file", size: file.size });
  if (content?.kind === "file") expect((await downloaded(alice, content)).size).toBe(file.size);

  const size = lastFile(bob).ciphertextSize;
  expect(progress).toContain(`encrypting ${file.size} ${file.size}`);
  expect(progress.at(-1)).toBe(`uploading ${size} ${size}`);
  const stored = await app.db
    .selectFrom("attachments")
    .select(["message_id", "content_type", "filename", "size_bytes"])
    .execute();
  expect(stored).toEqual([{ message_id: sent.id, content_type: null, filename: null, size_bytes: size }]);
});

test("files of any kind of source, small and empty, keep their order among texts; a group has them too", async () => {
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  const stream = new Blob(["stream"]).stream();
  const iterable = (async function* () {
    yield new Uint8Array([1, 2]);
    yield new Uint8Array([3]);
  })();
  const to = alice.to(bob);
  await to.send("first");
  const files = [
    await to.sendFile(stream, { name: "a" }),
    await to.sendFile(iterable, { name: "b", type: "x/y" }),
  ];
  files.push(await to.sendFile(new Blob(), { name: "c" }));
  await to.send("last");
  await bob.untilReceived(5);
  expect(bob.received.map(({ kind }) => kind)).toEqual(["text", "file", "file", "file", "text"]);
  const contents = await Promise.all(
    bob.received.flatMap((message) => (message.kind === "file" ? [downloaded(bob, message)] : [])),
  );
  expect(await Promise.all(contents.map((blob) => blob.text()))).toEqual([
    "stream",
    "\u0001\u0002\u0003",
    "",
  ]);

  const group = await alice.client.groups.create("Pier", { memberUserIds: [bob.userId] });
  const file = randomFile(10_000);
  await group.sendFile(file, { name: "d" });
  await bob.untilReceived(6);
  await expectSame(bob, file);
});

test("an upload that is cancelled in the middle leaves nothing, here or on the server", async () => {
  await using own = await startTestServer();
  const store = memoryStore();
  await using alice = await TestUser.open({ url: own.url, store });
  await using bob = await TestUser.open({ url: own.url });
  await alice.to(bob).send("before");
  const before = await countBlobs(own);
  const keysOf = async () => (await store.list("spool")).map(({ key }) => key);
  for (const phase of ["encrypting", "uploading"]) {
    const abort = new AbortController();
    const sending = alice.to(bob).sendFile(randomFile(9 * mib), {
      name: "n",
      signal: abort.signal,
      onProgress: (progress) => {
        if (progress.phase === phase && progress.done > 4 * mib) abort.abort();
      },
    });
    await expect(sending).rejects.toMatchObject({ code: "ABORTED" });
    expect(await countBlobs(own)).toEqual(before);
    expect(await keysOf()).toEqual([]);
    expect((await alice.to(bob).messages()).messages).toHaveLength(1);
  }
  await alice.to(bob).send("after");
  await bob.untilReceived(2);
  expect(bob.texts).toEqual(["before", "after"]);
});

test("one that is cancelled as its last piece is stored leaves nothing, and may be sent again", async () => {
  const abort = new AbortController();
  const inner = memoryStore();
  const store: Store = {
    ...inner,
    commit: async (writes) => {
      await inner.commit(writes);
      if (writes.some(({ key }) => key.startsWith("spooled/"))) abort.abort();
    },
  };
  await using alice = await TestUser.open({ url, store });
  await using bob = await TestUser.open({ url });
  const file = randomFile(1000);
  const options = { name: "n", clientMessageId: crypto.randomUUID() };
  const sending = alice.to(bob).sendFile(file, { ...options, signal: abort.signal });
  await expect(sending).rejects.toMatchObject({ code: "ABORTED" });
  expect(await inner.list("spool")).toEqual([]);
  await alice.to(bob).sendFile(file, options);
  await bob.untilReceived(1);
  await expectSame(bob, file);
});

test("what may not be sent is refused before a byte of its file is read", async () => {
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  let isRead = false;
  const source = async function* () {
    isRead = true;
    yield new Uint8Array(10);
  };
  for (const [field, wrong] of [
    ["name", { name: "" }],
    ["clientMessageId", { clientMessageId: "7" }],
    ["width", { width: 1.5 }],
    ["height", { height: -1 }],
  ] as const) {
    const sending = alice.to(bob).sendFile(source(), { name: "n", ...wrong });
    await expect(sending).rejects.toMatchObject({ code: "INVALID_INPUT", details: { field } });
  }
  expect(isRead).toBe(false);
});

test("of a file that is encrypted while its user signs out nothing is left", async () => {
  const store = memoryStore();
  await using alice = await TestUser.open({ url, store });
  await using bob = await TestUser.open({ url });
  const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const source = async function* () {
    yield new Uint8Array(2 * mib);
    begun.resolve();
    await end.promise;
  };
  const sending = alice.to(bob).sendFile(source(), { name: "n" });
  sending.catch(() => {});
  await begun.promise;
  await alice.client.signOut();
  const before = await store.list("");
  end.resolve();
  await expect(sending).rejects.toMatchObject({ code: "CLOSED" });
  expect(await store.list("")).toEqual(before);
});

test("of a file that is encrypted while its client is closed nothing more is read, and nothing is left", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "sotto-closed-"));
  const open = () => fileStore(path.join(folder, "alice.sotto"), { encryption: "none" });
  await using alice = await TestUser.open({ url, store: await open() });
  await using bob = await TestUser.open({ url });
  const [begun, goOn, ended] = [0, 1, 2].map(() => Promise.withResolvers<void>());
  let reads = 0;
  const source = async function* () {
    try {
      yield new Uint8Array(2 * mib);
      begun?.resolve();
      await goOn?.promise;
      for (; reads < 10; reads++) yield new Uint8Array(mib);
    } finally {
      ended?.resolve();
    }
  };
  const sending = alice.to(bob).sendFile(source(), { name: "n" });
  sending.catch(() => {});
  await begun?.promise;
  await alice.client.close();
  goOn?.resolve();
  await expect(sending).rejects.toMatchObject({ code: "CLOSED" });
  await ended?.promise;
  expect(reads).toBe(0);
  const store = await open();
  expect(await store.list("spool")).toEqual([]);
  await store.close();
  await rm(folder, { recursive: true });
});

test("one that was left by a client for good is collected after a day", async () => {
  let aheadMs = 0;
  await using own = await startTestServer({ now: () => new Date(Date.now() + aheadMs) });
  const alice = await TestUser.open({ url: own.url });
  await using bob = await TestUser.open({ url: own.url });
  const uploading = Promise.withResolvers<void>();
  const sending = alice.to(bob).sendFile(randomFile(20 * mib), {
    name: "n",
    onProgress: ({ phase, done }) => (phase === "uploading" && done > 0 ? uploading.resolve() : undefined),
  });
  sending.catch(() => {});
  await uploading.promise;
  await alice.client.close();
  expect((await countBlobs(own))[1]).toBe(1);
  // A request that was cut off may still have written a piece.
  await vi.waitFor(async () => {
    aheadMs += 25 * 3_600_000;
    expect(await countBlobs(own)).toEqual([0, 0, 0, 0]);
  }, waitMs);
});

test("what is refused fails with its reason, and can be taken back", async () => {
  await using small = await startTestServer({ env: { MAX_BLOB_BYTES: "100000" } });
  await using alice = await TestUser.open({ url: small.url });
  await using bob = await TestUser.open({ url: small.url });
  const clientMessageId = crypto.randomUUID();
  const to = alice.to(bob);
  const refused = to.sendFile(randomFile(200_000), { name: "n", clientMessageId });
  await expect(refused).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  expect((await to.messages()).messages[0]).toMatchObject({ state: "failed", error: "PAYLOAD_TOO_LARGE" });
  expect(await to.cancel(clientMessageId)).toBe(true);
  const broken = (async function* () {
    yield new Uint8Array(10);
    throw new Error("the disk is gone");
  })();
  await expect(to.sendFile(broken, { name: "n" })).rejects.toThrow("the disk is gone");
  for (const wrong of [
    { name: "" },
    { name: "n", type: "" },
    { name: "n", thumbnail: new Uint8Array(70_000) },
  ]) {
    await expect(to.sendFile(randomFile(1), wrong)).rejects.toMatchObject({ code: "INVALID_INPUT" });
  }
  expect((await to.messages()).messages).toEqual([]);
});

test("another file, or none, behind the message's id is refused by its reader", async () => {
  await using alice = await TestUser.open({ url });
  await using bob = await TestUser.open({ url });
  await alice.to(bob).sendFile(randomFile(300_000), { name: "a" });
  await alice.to(bob).sendFile(randomFile(300_000), { name: "b" });
  await bob.untilReceived(2);
  const [first, second] = bob.received;
  if (first?.kind !== "file" || second?.kind !== "file") throw new Error("no files");
  await app.db
    .updateTable("blob_chunks")
    .set({ blob_id: "00000000-0000-7000-8000-000000000000" as never })
    .where("blob_id", "=", first.blobId as never)
    .execute();
  await app.db
    .updateTable("blob_chunks")
    .set({ blob_id: first.blobId as never })
    .where("blob_id", "=", second.blobId as never)
    .execute();
  await expect(downloaded(bob, first)).rejects.toMatchObject({
    code: "FILE_REJECTED",
    details: { reason: "header_rejected" },
  });
  await using eve = await TestUser.open({ url });
  const stolen = downloaded(eve, { ...second, blobId: second.blobId });
  await expect(stolen).rejects.toMatchObject({ code: "ATTACHMENT_NOT_FOUND" });
});

import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Spool, memoryStore } from "@sotto/sdk";
import { directorySpool } from "@sotto/sdk/node";
import { expect, test, vi } from "vitest";
import { Proxy } from "../proxy.ts";
import { RecordingProxy } from "../recording-proxy.ts";
import { TestUser } from "../sdk-fixtures.ts";
import { expectSame, randomFile } from "../sdk-files.ts";
import { startTestServer } from "../test-server.ts";

const waitMs = 15_000;
const otherId = "0193a000-0000-7000-8000-000000000000";
const begun = "/trpc/uploads.create";
const sentOn = "/uploads/";

/** Every state of an upload in an answer to this path has these in place of the true ones, by whichever names. */
function lieAbout(proxy: RecordingProxy, at: string, lies: Record<string, unknown>): void {
  proxy.alter = (answer) => {
    if (!answer.path.startsWith(at) || answer.status !== 200) return answer;
    const text = JSON.stringify(JSON.parse(answer.text), (key, value: unknown) => lies[key] ?? value);
    return { ...answer, text };
  };
}

test.each<[string, string, Record<string, unknown>]>([
  ["a piece of a terabyte", begun, { pieceBytes: 2 ** 40 }],
  ["an offset past the end", begun, { offset: 400_000 }],
  ["complete, but for most of it", begun, { isComplete: true }],
  ["the state of another upload", begun, { uploadId: otherId }],
  ["another length", begun, { sizeBytes: 1_000 }],
  ["a part that is not farther", sentOn, { is_complete: false, offset: 0 }],
  ["an offset past the end, of a part", sentOn, { is_complete: false, offset: 2 ** 50 }],
  ["the state of another upload, of a part", sentOn, { upload_id: otherId }],
])("%s fails the file's message, which waits to be tried again, and no other", async (_, at, lies) => {
  await using server = await startTestServer();
  await using proxy = await RecordingProxy.listen(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  await using carol = await TestUser.open({ url: server.url });
  await alice.to(bob).send("before");
  const file = randomFile(300_000);
  const clientMessageId = crypto.randomUUID();
  const held = Promise.withResolvers<void>();
  lieAbout(proxy, at, lies);
  const lie = proxy.alter;
  proxy.alter = async (answer) => {
    if (answer.path.startsWith("/trpc/messages.send")) await held.promise;
    return lie?.(answer) ?? answer;
  };
  const waiting = alice.to(carol).send("to carol");
  await carol.untilReceived(1);
  const sending = alice.to(bob).sendFile(file, { name: "n", clientMessageId });
  await expect(sending).rejects.toMatchObject({ code: "BAD_ANSWER" });
  held.resolve();
  await waiting;
  await alice.to(bob).send("after");
  const { messages } = await alice.to(bob).messages();
  expect(messages.find(({ content }) => content.kind === "file")).toMatchObject({
    state: "failed",
    error: "BAD_ANSWER",
  });
  proxy.alter = undefined;
  await alice.to(bob).retry(clientMessageId);
  await bob.untilReceived(3);
  await expectSame(bob, file);
});

test("a spool that cannot be read fails the file's message, and no other", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "sotto-broken-"));
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url, spool: directorySpool(directory) });
  await using bob = await TestUser.open({ url: server.url });
  await using carol = await TestUser.open({ url: server.url });
  const held = proxy.holdRequestTo("/trpc/uploads.create");
  const sending = alice.to(bob).sendFile(randomFile(1000), { name: "n" });
  sending.catch(() => {});
  await held.arrived;
  const [name = ""] = await readdir(directory);
  await rm(path.join(directory, name));
  await mkdir(path.join(directory, name));
  const other = proxy.holdRequestTo("/trpc/messages.send");
  const waiting = alice.to(carol).send("to carol");
  waiting.catch(() => {});
  await other.arrived;
  held.release();
  await held.giveAnswer();
  await expect(sending).rejects.toMatchObject({ code: "STORE_FAILED", cause: { code: "EISDIR" } });
  other.release();
  await other.giveAnswer();
  await waiting;
  await alice.to(bob).send("after");
  await bob.untilReceived(1);
  await rm(directory, { recursive: true });
});

test("a file that was sent is sent, though its spool cannot be emptied; that is for the next start", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "sotto-kept-"));
  await using server = await startTestServer();
  await using bob = await TestUser.open({ url: server.url });
  let isKept = true;
  const inner = directorySpool(directory);
  const spool: Spool = {
    ...inner,
    remove: async (id) => {
      if (isKept && (await inner.read(id, 0))) throw new Error("in use");
      await inner.remove(id);
    },
  };
  await using alice = await TestUser.open({ url: server.url, spool });
  const ids = [1, 2].map(() => crypto.randomUUID());
  for (const clientMessageId of ids) {
    await alice.to(bob).sendFile(randomFile(1000), { name: "n", clientMessageId });
  }
  await bob.untilReceived(2);
  expect((await inner.list()).toSorted()).toEqual(ids.toSorted());
  isKept = false;
  await alice.client.stop();
  await alice.client.start();
  await vi.waitFor(async () => expect(await inner.list()).toEqual([]), waitMs);
  await rm(directory, { recursive: true });
});

test("a message that the store has damaged keeps its own conversation waiting, and no other", async () => {
  const store = memoryStore();
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url, store });
  await using bob = await TestUser.open({ url: server.url });
  await using carol = await TestUser.open({ url: server.url });
  const clientMessageId = crypto.randomUUID();
  const queued = alice.event("outbox", (event) => event.clientMessageId === clientMessageId);
  proxy.goOffline();
  const waiting = alice.to(carol).send("to carol");
  const damaged = alice.to(bob).send("to bob", { clientMessageId });
  damaged.catch(() => {});
  await queued;
  await store.commit([{ key: `sent/${clientMessageId}`, value: "damaged" }]);
  proxy.goOnline();
  await expect(damaged).rejects.toMatchObject({ code: "STORE_DAMAGED" });
  await waiting;
  await carol.untilReceived(1);
});

test("a limit that does not say for how long is no limit", async () => {
  await using server = await startTestServer();
  await using proxy = await Proxy.open(server.url);
  await using alice = await TestUser.open({ url: proxy.url });
  await using bob = await TestUser.open({ url: server.url });
  const held = proxy.holdRequestTo("/uploads/");
  const sending = alice.to(bob).sendFile(randomFile(1000), { name: "n" });
  sending.catch(() => {});
  await held.arrived;
  held.answer(429, { detail: "Rate limit exceeded" }, { "retry-after": "soon" });
  await expect(sending).rejects.toMatchObject({ code: "BAD_ANSWER" });
});

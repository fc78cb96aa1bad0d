/** What a client throws where its store fails: never what the store's maker throws. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { createClient } from "../client.ts";
import { directorySpool } from "../files/directory-spool.ts";
import { fileStore } from "./file-store.ts";
import { memoryStore } from "./memory-store.ts";
import version1 from "./migrations/store-v1.json" with { type: "json" };
import type { Store } from "./store.ts";
import { decodeValue } from "./value-codec.ts";

const folder = mkdtempSync(join(tmpdir(), "sotto-errors-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const url = "http://127.0.0.1:9";

/** Somebody is signed in here. */
async function fill(store: Store): Promise<void> {
  const items = Object.entries(version1.items);
  await store.commit(
    items.map(([key, value]) => ({ key, value: decodeValue(Buffer.from(value, "base64")) })),
  );
}

test("a send that does not fit on the disk is refused, and leaves nothing", async () => {
  const opened = vi.spyOn(DatabaseSync.prototype, "exec");
  const store = await fileStore(join(folder, "full.sotto"), { encryption: "none" });
  const database = opened.mock.contexts.find((one) => one instanceof DatabaseSync) ?? expect.fail();
  opened.mockRestore();
  await fill(store);
  await using client = await createClient({ url, store });
  const conversation = client.conversations.with(version1.bob);
  const { messages: before } = await conversation.messages();
  database.exec("pragma max_page_count = 1");
  await expect(conversation.send("long ".repeat(10_000))).rejects.toMatchObject({
    code: "STORE_FAILED",
    cause: { errcode: 13 },
  });
  database.exec("pragma max_page_count = 4294967294");
  expect((await conversation.messages()).messages).toEqual(before);
});

test("a client that is closed says so, whatever its store", async () => {
  for (const store of [
    memoryStore(),
    await fileStore(join(folder, "closed.sotto"), { encryption: "none" }),
  ]) {
    await fill(store);
    const client = await createClient({ url, store });
    const conversation = client.conversations.with(version1.bob);
    await client.close();
    for (const call of [
      () => conversation.send("late"),
      () => conversation.messages(),
      () => client.conversations.list(),
      () => client.start(),
      () => client.requestOtp("+491700000001"),
      () => client.signIn({ phone: "+491700000001", otp: "123456" }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: "CLOSED" });
    }
    await client.close();
  }
});

test("an application's own store may throw what it likes", async () => {
  const kept = memoryStore();
  await fill(kept);
  let isBroken = false;
  const list: Store["list"] = (...args) => {
    if (isBroken) throw new RangeError("no room");
    return kept.list(...args);
  };
  await using client = await createClient({ url, store: { ...kept, list } });
  isBroken = true;
  await expect(client.conversations.with(version1.bob).messages()).rejects.toMatchObject({
    code: "STORE_FAILED",
    cause: { message: "no room" },
  });
  isBroken = false;
});

test("a directory for files that cannot be written is told as the SDK's error", async () => {
  const [blocked, clientMessageId] = [join(folder, "blocked"), crypto.randomUUID()];
  writeFileSync(blocked, "");
  const occupied = join(folder, "occupied");
  mkdirSync(join(occupied, `${clientMessageId}.age`), { recursive: true });
  for (const [directory, code] of [
    [blocked, "ENOTDIR"],
    [occupied, "ERR_FS_EISDIR"],
  ] as const) {
    const store = memoryStore();
    await fill(store);
    await using client = await createClient({ url, store, spool: directorySpool(directory) });
    const sending = client.conversations
      .with(version1.bob)
      .sendFile(new Blob(["file"]), { name: "n", clientMessageId });
    await expect(sending).rejects.toMatchObject({
      name: "SottoError",
      code: "STORE_FAILED",
      cause: { code },
    });
  }
});

test("a record of an earlier version that is damaged is told as such, and nothing is changed", async () => {
  for (const [version, key] of [
    [1, "sent/damaged"],
    [2, "inbox/0000000000000001"],
  ] as const) {
    const store = memoryStore();
    await store.commit([
      { key: "store-version", value: version },
      { key, value: { state: "no such state" } },
    ]);
    const before = await store.list("");
    await expect(createClient({ url, store })).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    expect(await store.list("")).toEqual(before);
  }
});

/** Stores as earlier versions wrote them: this version opens each, with everything that it held. */
import { deviceId, userId } from "@sotto/schema";
import { describe, expect, test } from "vitest";
import { createClient } from "../../client.ts";
import { readDeviceKeys } from "../../identity/device-keys-record.ts";
import { Inbox } from "../../messages/inbox.ts";
import { OutgoingQueue, listUnplaced } from "../../messages/outgoing-queue.ts";
import { deletedWith } from "../../messages/received-message.ts";
import { directRecord } from "../../messages/participants.ts";
import { loadPositions } from "../../sync/apply-batch.ts";
import { LocalTurns } from "../../turns.ts";
import { memoryStore } from "../memory-store.ts";
import { migrateStore } from "../migrate-store.ts";
import type { Store } from "../store.ts";
import { decodeValue } from "../value-codec.ts";
import version1 from "./store-v1.json" with { type: "json" };

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));

/** Items as CBOR in base64. */
async function storeOf({ items }: { items: Record<string, string> }): Promise<Store> {
  const store = memoryStore();
  const writes = Object.entries(items).map(([key, value]) => ({ key, value: decodeValue(bytesOf(value)) }));
  await store.commit(writes);
  return store;
}

/**
 * Version 1: Alice has sent Bob a message, and another whose answer was lost; a third waits, one to Carol was given up;
 * two of Bob's are unread.
 */
describe("version 1", () => {
  const me = { userId: userId.parse(version1.userId), deviceId: deviceId.parse(version1.deviceId) };
  const toBob = { kind: "direct" as const, peerUserId: userId.parse(version1.bob) };
  const toCarol = { kind: "direct" as const, peerUserId: userId.parse(version1.carol) };

  test("is still signed in, with its keys and positions", async () => {
    const store = await storeOf(version1);
    await using client = await createClient({ url: "http://127.0.0.1:9", store });
    expect(client.me).toEqual(me);
    const keys = await readDeviceKeys(store);
    expect(keys).toMatchObject({ ...me, hpkeKeys: [{ kemId: 0x20 }, { kemId: 0x647a }] });
    expect([...(await loadPositions(store)).values()]).toEqual([2, 4]);
  });

  test("shows what was unread", async () => {
    const store = await storeOf(version1);
    await migrateStore(store);
    const texts: unknown[] = [];
    for await (const message of new Inbox(store).read()) {
      texts.push(message.kind === "text" && message.text);
      if (texts.length === 2) break;
    }
    expect(texts).toEqual(["unread 1", "unread 2"]);
  });

  test("finds what was unread when it is deleted", async () => {
    const store = await storeOf(version1);
    await migrateStore(store);
    const { value } = await new Inbox(store).read().next();
    const name = value && deletedWith(value);
    await store.commit(await new Inbox(store).deletedWrites([name ?? ""]));
    const again = await new Inbox(store).read().next();
    expect(again).toMatchObject({ value: { kind: "deleted", id: value?.id } });
  });

  test("goes on sending, with the bytes that the network may have seen", async () => {
    const store = await storeOf(version1);
    const first = String(await store.get(`outbox/${version1.bob}/0000000000000001`));
    const before = await store.get(`sent/${first}`);
    await migrateStore(store);
    const queue = new OutgoingQueue(store, new LocalTurns());
    expect(await queue.listLanes()).toEqual([toBob]);
    expect(await queue.findNext(["direct", toBob.peerUserId])).toBe(first);
    const { sealed, ...message } = await queue.get(first);
    expect(message).toMatchObject({
      destination: toBob,
      payload: { text: "sealed, answer lost" },
      counter: 2,
    });
    const conversationId = await directRecord.get(store, toBob.peerUserId);
    expect(before).toMatchObject({ sealed: { body: sealed?.body, recipients: sealed?.recipients } });
    expect(sealed?.conversationId).toBe(conversationId);
    const waiting = await listUnplaced(store, toBob);
    expect(waiting.map(({ message: { payload } }) => payload)).toMatchObject([
      { text: "sealed, answer lost" },
      { text: "queued, not sealed" },
    ]);
    expect(await listUnplaced(store, toCarol)).toMatchObject([
      { message: { state: "failed", payload: { text: "given up" } } },
    ]);
  });

  test("knows what was delivered", async () => {
    const store = await storeOf(version1);
    await migrateStore(store);
    const key = Object.keys(version1.items).find((name) => name.startsWith("sent/")) ?? "";
    const queue = new OutgoingQueue(store, new LocalTurns());
    const payload = { kind: "text" as const, text: "delivered", sentAtMs: 0 };
    const again = await queue.add(key.slice("sent/".length), { destination: toBob, payload });
    expect(again).toMatchObject({ kem: "x-wing" });
  });

  test("leaves nothing under the old names", async () => {
    const store = await storeOf(version1);
    await migrateStore(store);
    expect(await store.list("conversation/")).toEqual([]);
    expect((await store.list("outbox/")).map(({ key }) => key.split("/")[1])).toEqual(["direct", "direct"]);
  });
});

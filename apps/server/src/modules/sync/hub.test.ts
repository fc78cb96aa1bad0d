import type { ConversationId, DeviceId, MessageId, UserId } from "@sotto/schema";
import { expect, onTestFinished, test } from "vitest";
import type { SessionId } from "../accounts/accounts.tables.ts";
import { conversationLog, type LogEntry } from "../logs/entries.ts";
import { Feed } from "./feed.ts";
import { Hub } from "./hub.ts";

const conversationId = "conversation" as ConversationId;
const log = conversationLog(conversationId);
const entry: LogEntry = {
  log,
  seq: 1,
  at: "2026-01-01T00:00:00.000Z",
  body: { type: "message.deleted", conversationId, messageId: "m" as MessageId, userId: "x" as UserId },
};
const users = (...names: string[]): UserId[] => names.map((name) => name as UserId);

/** Who was told, of the users who are connected. */
async function connect(...names: string[]): Promise<{ hub: Hub; told: string[] }> {
  const hub = new Hub({ now: () => new Date() });
  const told: string[] = [];
  for (const userId of users(...names)) {
    const [sessionId, deviceId] = [`session of ${userId}` as SessionId, "device" as DeviceId];
    const caller = { userId, sessionId, deviceId, expiresAt: Date.now() + 60_000 };
    hub.add({ connectionId: userId, caller, close: () => {} });
    onTestFinished(() => hub.remove(userId));
    const feed = new Feed({
      reader: { userId, deviceId },
      resume: false,
      source: {
        listStates: async () => [{ log, lastSeq: 0, position: 0, prunedSeq: 0, startSeq: 0 }],
        readEntries: async () => [],
      },
      sink: {
        deliver: () => void told.push(userId),
        signal: () => {},
        hasRoom: () => true,
        room: async () => {},
        fail: () => {},
      },
    });
    hub.attach(userId, feed);
    await feed.start();
  }
  return { hub, told };
}

test.each([
  ["fewer are connected than are meant", ["a", "b"], ["b", "c", "d", "e"]],
  ["more are connected than are meant", ["a", "b", "c", "d", "e"], ["b", "x"]],
])("of a group's entry the connected members are told, where %s", async (_, connected, members) => {
  const { hub, told } = await connect(...connected);
  hub.publish(entry, new Set(users(...members)));
  expect(told).toEqual(["b"]);
});

test("of a pair's entry both are told", async () => {
  const { hub, told } = await connect("a", "b", "c");
  hub.publish(entry, users("c", "a"));
  expect(told.toSorted()).toEqual(["a", "c"]);
});

test("a connection is closed once its token has expired, and not before", () => {
  let now = 1_000;
  const hub = new Hub({ now: () => new Date(now) });
  const closed: unknown[] = [];
  const names: [string, number][] = [
    ["soon", 2_000],
    ["later", 2 ** 40],
  ];
  for (const [name, expiresAt] of names) {
    const [userId, sessionId] = [name as UserId, name as SessionId];
    const close = (code: number): void => void closed.push([name, code]);
    hub.add({ connectionId: name, caller: { userId, sessionId, deviceId: null, expiresAt }, close });
  }
  now = 1_999;
  hub.closeExpired();
  expect(closed).toEqual([]);
  now = 2_000;
  hub.closeExpired();
  expect(closed).toEqual([["soon", 4401]]);
});

import { type ContractRouter, deviceId, parseDeviceList, userId as userIdSchema } from "@sotto/schema";
import type { TRPCClient } from "@trpc/client";
import { expect, test } from "vitest";
import { signDeviceList } from "../crypto/device-list.ts";
import { generateKeyPair, sha256 } from "../crypto/primitives.ts";
import type { IdentityEvent } from "../events.ts";
import { memoryStore } from "../storage/memory-store.ts";
import { turnsOf } from "../turns.ts";
import { Identities } from "./identities.ts";

const userId = userIdSchema.parse("0198c0de-0000-7000-8000-00000000a11c");
const me = {
  userId: userIdSchema.parse("0198c0de-0000-7000-8000-00000000b0b0"),
  deviceId: deviceId.parse("bob-phone"),
};
const now = 1_790_000_000_000;

/** A user's chain on a server that answers from it as far as it is published. */
async function chainOf(length: number) {
  const uik = await generateKeyPair("Ed25519", true);
  const lists: string[] = [];
  for (let version = 1; version <= length; version++) {
    const last = lists.at(-1);
    const prevHash = last === undefined ? null : await sha256(parseDeviceList(last).bytes);
    lists.push(await signDeviceList({ userId, version, prevHash, issuedSec: now / 1000, devices: [] }, uik));
  }
  return lists;
}

async function setUp(length: number) {
  const lists = await chainOf(length);
  const server = { published: 1 };
  const answer = ({ sinceVersion }: { sinceVersion?: number | undefined }) => {
    const currentVersion = server.published;
    const from = sinceVersion ?? currentVersion - 1;
    const page = lists.slice(from, currentVersion).map((list, at) => ({ version: from + at + 1, list }));
    return Promise.resolve({ currentVersion, lists: page, devices: [] });
  };
  // The network's edge: nothing else is asked for here.
  const called = { deviceLists: { get: { query: answer } } } as unknown as TRPCClient<ContractRouter>;
  const told: IdentityEvent[] = [];
  const store = memoryStore();
  const identities = new Identities({
    store,
    turns: turnsOf(store, "store"),
    api: { call: (run) => run(called, { signal: new AbortController().signal }) },
    me,
    now: () => now,
    tell: (event) => told.push(event),
    policy: "tofu",
  });
  return { identities, server, told };
}

test("an answer that a newer one has overtaken looks neither rolled back nor broken, and is asked for again", async () => {
  const { identities, server, told } = await setUp(3);
  const early = await identities.lookUp(userId);
  server.published = 3;
  await identities.judge(userId, await identities.lookUp(userId));
  const { lookup, trust } = await identities.judge(userId, early);
  expect(lookup.currentVersion).toBe(3);
  expect(trust).toMatchObject({ kind: "listed" });
  expect(told).toEqual([]);
  expect(await identities.pins.get(userId)).toMatchObject({ version: 3 });
});

test("answers that come at once are judged one after the other, and the pin never goes back", async () => {
  const { identities, server, told } = await setUp(3);
  const early = await identities.lookUp(userId);
  server.published = 3;
  const late = await identities.lookUp(userId);
  const judged = await Promise.all([identities.judge(userId, late), identities.judge(userId, early)]);
  expect(judged.map(({ lookup }) => lookup.currentVersion)).toEqual([3, 3]);
  expect(told).toEqual([]);
  expect(await identities.pins.get(userId)).toMatchObject({ version: 3 });
});

test("a server that goes back after an answer is still found out", async () => {
  const { identities, server, told } = await setUp(3);
  server.published = 3;
  await identities.judge(userId, await identities.lookUp(userId));
  server.published = 2;
  await identities.judge(userId, await identities.lookUp(userId));
  expect(told).toEqual([{ type: "list_refused", userId, reason: "rolled_back" }]);
});

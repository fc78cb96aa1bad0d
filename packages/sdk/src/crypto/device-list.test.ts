import { type DeviceListFields, decodeBase64url, encodeBase64url, parseDeviceList } from "@sotto/schema";
import { ed25519 } from "@noble/curves/ed25519.js";
import { deviceListSignedBytes } from "@sotto/schema";
import { beforeAll, describe, expect, test } from "vitest";
import { isGivenUp, judgeChain, signDeviceList, verifyDeviceList } from "./device-list.ts";
import { type KeyPair, generateKeyPair, sha256 } from "./primitives.ts";

const userId = "0198c0de-0000-7000-8000-00000000a11c";
const now = 1_790_000_000_000;
let [uik, otherUik]: KeyPair[] = [];
let chain: string[] = [];

const keyOf = (pair: KeyPair | undefined): KeyPair => {
  if (!pair) throw new Error("no key");
  return pair;
};
const hashOf = (list: string) => sha256(parseDeviceList(list).bytes);

function sign(fields: Partial<DeviceListFields> = {}, by = uik): Promise<string> {
  const base = { userId, version: 1, prevHash: null, issuedSec: now / 1000, devices: [] };
  return signDeviceList({ ...base, ...fields }, keyOf(by));
}

async function follow(list: string, fields: Partial<DeviceListFields> = {}, by = uik): Promise<string> {
  const { version } = parseDeviceList(list);
  return sign({ version: version + 1, prevHash: await hashOf(list), ...fields }, by);
}

const at = (index: number): string => chain.at(index) ?? "";
const pinAt = async (index: number) => ({
  version: parseDeviceList(at(index)).version,
  hash: await hashOf(at(index)),
});

beforeAll(async () => {
  [uik, otherUik] = [await generateKeyPair("Ed25519", true), await generateKeyPair("Ed25519", true)];
  chain = [await sign()];
  for (let version = 2; version <= 4; version++) chain.push(await follow(at(-1)));
});

const verify = (list: string) => verifyDeviceList(list, { userId, now });
const judge = (currentVersion: number, lists: string[], pin?: Awaited<ReturnType<typeof pinAt>>) =>
  judgeChain({ currentVersion, lists }, { userId, now, pin });

describe("a list by itself", () => {
  test("is accepted when its signature holds, which an independent library confirms", async () => {
    const verdict = await verify(at(0));
    expect(verdict).toMatchObject({ ok: true, list: { parts: { version: 1, userId } } });
    const parts = parseDeviceList(at(0));
    expect(ed25519.verify(parts.signature, deviceListSignedBytes(parts), parts.uik)).toBe(true);
  });

  test("no byte of it can be changed", async () => {
    const bytes = decodeBase64url(at(1));
    for (let place = 0; place < bytes.length; place++) {
      const changed = bytes.slice();
      changed[place] = (changed[place] ?? 0) ^ 1;
      expect(await verify(encodeBase64url(changed)), `byte ${place}`).toMatchObject({ ok: false });
    }
  });

  test("the reasons of refusal", async () => {
    expect(await verify("no list")).toEqual({ ok: false, reason: "malformed" });
    const ofAnother = await sign({ userId: "0198c0de-0000-7000-8000-000000000b0b" });
    expect(await verify(ofAnother)).toEqual({ ok: false, reason: "wrong_user" });
    const ahead = await sign({ issuedSec: now / 1000 + 301 });
    expect(await verify(ahead)).toEqual({ ok: false, reason: "not_yet_valid" });
    expect(await verify(await sign({ issuedSec: now / 1000 + 299 }))).toMatchObject({ ok: true });
    // Signed by a key that it does not name.
    const { publicKeyBytes } = keyOf(uik);
    const wrongSigner = await signDeviceList(
      { userId, version: 1, prevHash: null, issuedSec: 1, devices: [] },
      { ...keyOf(otherUik), publicKeyBytes },
    );
    expect(await verify(wrongSigner)).toEqual({ ok: false, reason: "signature_invalid" });
  });
});

describe("a chain", () => {
  test("is accepted from the pinned list on, or with the newest alone", async () => {
    const newest = { ok: true, newest: { text: at(3) } };
    expect(await judge(4, [at(3)])).toMatchObject(newest);
    expect(await judge(4, chain.slice(1), await pinAt(1))).toMatchObject(newest);
    expect(await judge(4, [at(3)], await pinAt(3))).toMatchObject(newest);
    expect(await judge(0, [])).toEqual({ ok: true, lists: [], newest: undefined });
  });

  test("that ends before the pin is rolled back", async () => {
    const pin = await pinAt(2);
    for (const [version, lists] of [
      [2, chain.slice(0, 2)],
      [0, []],
      [2, []],
    ] as const) {
      expect(await judge(version, [...lists], pin)).toEqual({ ok: false, reason: "rolled_back" });
    }
  });

  test("with another list in the pin's place is forked", async () => {
    const fork = await follow(at(1), { issuedSec: 5 });
    const onFork = await follow(fork);
    const pin = await pinAt(2);
    expect(await judge(3, [fork], pin)).toEqual({ ok: false, reason: "forked" });
    expect(await judge(4, [fork, onFork], pin)).toEqual({ ok: false, reason: "forked" });
  });

  test("with a gap, another order, or an end that is missing is broken", async () => {
    const pin = await pinAt(0);
    const onFork = await follow(await follow(at(0), { issuedSec: 5 }));
    const broken = [
      [4, [at(0), at(2), at(3)]],
      [4, [at(0), at(2), at(1), at(3)]],
      [4, chain.slice(0, 3)],
      [4, chain.slice(1)],
      [4, []],
      [3, [at(0), at(1), onFork]],
      [3, [at(0), at(1), await sign({ version: 3, prevHash: new Uint8Array(32) })]],
    ] as const;
    for (const [version, lists] of broken)
      expect(await judge(version, [...lists], pin)).toEqual({ ok: false, reason: "broken_chain" });
    expect(await judge(4, [])).toEqual({ ok: false, reason: "broken_chain" });
  });

  test("goes on under another key, which is for the caller to judge", async () => {
    const next = await follow(at(3), {}, otherUik);
    const verdict = await judge(5, [at(3), next], await pinAt(3));
    expect(verdict).toMatchObject({ ok: true, newest: { parts: { uik: keyOf(otherUik).publicKeyBytes } } });
  });

  test("with one bad list is refused for that one's reason", async () => {
    const bad = await follow(at(3), { userId: "0198c0de-0000-7000-8000-000000000b0b" });
    expect(await judge(5, [at(3), bad], await pinAt(3))).toEqual({ ok: false, reason: "wrong_user" });
  });
});

describe("a key", () => {
  const dik = new Uint8Array(32);
  // One word for each list: whose key, and how many devices.
  test.each([
    ["a1 a2 a0 a1", false],
    ["b2 a2", false],
    ["a1 b1", true],
    ["a0 b1", true],
    ["a1 b1 a1", true],
    ["b2 a1 b1 a1", true],
    ["a1 a0 b1 a1", false],
    ["a1 a0 b1 b2 b1 a1 a2", false],
    ["a1 a0 b2 a1", true],
    ["a1 a0 b1 c1 a1", true],
    ["a1 a0 b1 a1 b1 a1", true],
  ])("by the lists %s is given up: %s", async (words, isOver) => {
    const keys = { a: keyOf(uik), b: keyOf(otherUik), c: await generateKeyPair("Ed25519", true) };
    const lists: string[] = [];
    for (const [key, count] of words.split(" ") as Iterable<[keyof typeof keys, string]>) {
      const devices = Array.from({ length: Number(count) }, (_, id) => ({
        deviceId: `${id}`,
        dik,
        addedSec: 1,
      }));
      const before = lists.at(-1);
      lists.push(await (before ? follow(before, { devices }, keys[key]) : sign({ devices }, keys[key])));
    }
    const verdict = await judge(lists.length, lists);
    expect(verdict.ok && isGivenUp(verdict.lists, keys.a.publicKeyBytes)).toBe(isOver);
  });
});

import { parseWrapKeyId } from "@sotto/schema";
import { beforeAll, describe, expect, it } from "vitest";
import { keyIdOf } from "./device-keys.ts";
import { type TestDevice, codeOf, newDevice, now, published, sendOne, withoutXWing } from "./fixtures.ts";
import { x25519KemId, xWingKemId } from "./kems.ts";
import { openEnvelope } from "./open-envelope.ts";
import { type SealedEnvelope, sealEnvelope } from "./seal-envelope.ts";
import { type PqPolicy, maxPreferredXWing } from "./wrap-for-devices.ts";

let alice: TestDevice, modern: TestDevice, old: TestDevice, bare: TestDevice;
beforeAll(async () => {
  [alice, modern, bare] = await Promise.all([newDevice(), newDevice(), newDevice({ basic: true })]);
  old = await withoutXWing(await newDevice());
});

const seal = (pq: PqPolicy | undefined, devices: TestDevice[], sender = alice) =>
  sealEnvelope({
    conversationId: alice.keys.userId,
    messageId: alice.keys.deviceId,
    counter: 1,
    payload: { kind: "text", text: "hello", sentAtMs: now },
    devices: devices.map(({ published }) => published),
    sender: sender.keys,
    now,
    pq,
  });
const kemIds = ({ wraps }: SealedEnvelope) => wraps.map(({ wrap }) => parseWrapKeyId(wrap)?.kemId);

describe("one KEM serves all wraps, and the result names it", () => {
  it.each<[string, PqPolicy | undefined, () => TestDevice[], SealedEnvelope["kem"]]>([
    ["X-Wing by default", undefined, () => [modern, alice], "x-wing"],
    ["prefer: everyone has X-Wing", "prefer", () => [modern], "x-wing"],
    ["prefer: one device has not", "prefer", () => [modern, old], "x25519"],
    ["prefer: one device is basic", "prefer", () => [modern, bare], "x25519"],
    ["off", "off", () => [modern], "x25519"],
    ["require", "require", () => [modern], "x-wing"],
  ])("%s", async (_, pq, devices, kem) => {
    const sealed = await seal(pq, devices());
    expect(sealed.kem).toBe(kem);
    expect(sealed.unreachable).toEqual([]);
    expect(new Set(kemIds(sealed))).toEqual(new Set([kem === "x-wing" ? xWingKemId : x25519KemId]));
  });

  it("a device whose key cannot be used at all does not weaken the others", async () => {
    const broken = { ...modern, published: { ...modern.published, deviceId: "other", publicKey: "no key" } };
    const sealed = await seal("prefer", [modern, broken]);
    expect(sealed.kem).toBe("x-wing");
    expect(sealed.unreachable).toEqual([
      { userId: modern.keys.userId, deviceId: "other", reason: "unusable" },
    ]);
  });

  it("a basic sender has X25519 only", async () => {
    expect((await seal("prefer", [modern], bare)).kem).toBe("x25519");
    expect(await codeOf(seal("require", [modern], bare))).toBe("invalid_input");
  });

  it("prefer turns to X25519 where X-Wing would cost too much; require does not", async () => {
    const many = await Promise.all(Array.from({ length: maxPreferredXWing + 1 }, () => newDevice()));
    expect((await seal("prefer", many)).kem).toBe("x25519");
    const fewer = await seal("prefer", [...many.slice(1), alice]);
    expect([fewer.kem, fewer.wraps.length]).toEqual(["x-wing", maxPreferredXWing]);
    const required = await seal("require", many);
    expect([required.kem, required.unreachable]).toEqual(["x-wing", []]);
  });
});

it("require does not reach a device without X-Wing, and says why", async () => {
  const sealed = await seal("require", [modern, old, bare]);
  expect(sealed.unreachable).toEqual(
    [old, bare].map(({ keys: { userId, deviceId } }) => ({
      userId,
      deviceId,
      reason: "no_post_quantum_key",
    })),
  );
  expect(kemIds(sealed)).toEqual([xWingKemId, undefined, undefined]);
  expect((await seal("require", [old])).wraps.map(({ wrap }) => wrap)).toEqual([""]);
});

it("an opened message names the KEM that sealed it", async () => {
  expect((await openEnvelope(await sendOne(alice, modern))).kem).toBe("x-wing");
  expect((await openEnvelope(await sendOne(alice, modern, { pq: "off" }))).kem).toBe("x25519");
  expect((await openEnvelope(await sendOne(alice, old))).kem).toBe("x25519");
});

it("a key that claims to be X-Wing and is none leaves its device unreached, not sealed to with less", async () => {
  const { keys } = await newDevice();
  // Every coefficient above the modulus: FIPS 203 §7.2 refuses it.
  const publicKeyBytes = new Uint8Array(1216).fill(0xff);
  const pair = { seed: new Uint8Array(32), publicKeyBytes };
  const falseKey = { kid: await keyIdOf(publicKeyBytes), kemId: xWingKemId, pair, createdAtMs: now };
  const liar = await published({ ...keys, hpkeKeys: [...keys.hpkeKeys.slice(0, 1), falseKey] });
  const sealed = await seal("prefer", [modern, liar]);
  expect(sealed.kem).toBe("x-wing");
  const { userId, deviceId } = keys;
  expect(sealed.unreachable).toEqual([{ userId, deviceId, reason: "unusable" }]);
});

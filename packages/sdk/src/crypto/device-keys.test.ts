import { SealedFormatError } from "@sotto/schema";
import { expect, it } from "vitest";
import {
  type DeviceKeys,
  exportDeviceKeys,
  generateDeviceKeys,
  importDeviceKeys,
  rotateDeviceKeys,
  wipeDroppedKeys,
} from "./device-keys.ts";
import { codeOf, newDevice, now, published, sendOne, withoutXWing } from "./fixtures.ts";
import { x25519KemId, xWingKemId } from "./kems.ts";
import { openEnvelope } from "./open-envelope.ts";

const dayMs = 86_400_000;

it("survive a store, and then open what was sealed before", async () => {
  for (const basic of [false, true]) {
    const [alice, bob] = [await newDevice(), await newDevice({ basic })];
    const keys = await importDeviceKeys(await exportDeviceKeys(bob.keys), { extractable: false });
    for (const pq of ["off", "prefer"] as const) {
      const opened = await openEnvelope({ ...(await sendOne(alice, bob, { pq })), keys });
      expect(opened.kem).toBe(pq === "off" || basic ? "x25519" : "x-wing");
    }
    await expect(exportDeviceKeys(keys)).rejects.toThrow();
    const reply = await sendOne(await published(keys), alice);
    expect(await codeOf(openEnvelope(reply))).toBe("opened");
  }
});

it("are structured-cloneable as they are, for IndexedDB", async () => {
  const address = { userId: "u", deviceId: "d" };
  const keys = await generateDeviceKeys({ ...address, now, extractable: false });
  expect(structuredClone(keys).hpkeKeys[0]?.kid).toBe(keys.hpkeKeys[0]?.kid);
  expect(keys.dik?.privateKey.extractable).toBe(false);
});

it("refuse a store that holds something else", async () => {
  await expect(importDeviceKeys(Uint8Array.of(0x80), { extractable: false })).rejects.toThrow(
    SealedFormatError,
  );
  const stored = await exportDeviceKeys((await newDevice()).keys);
  await expect(importDeviceKeys(stored.slice(1), { extractable: false })).rejects.toThrow(SealedFormatError);
});

it("refuse a key of a KEM that this version does not know, and one of another length", async () => {
  const { keys } = await newDevice();
  const [x25519Key, xWingKey] = keys.hpkeKeys;
  if (!x25519Key || !xWingKey) throw new Error("unexpected");
  for (const broken of [
    { ...xWingKey, kemId: 0x0041 },
    { ...xWingKey, kemId: x25519KemId },
    { ...xWingKey, pair: { seed: new Uint8Array(31), publicKeyBytes: xWingKey.pair.publicKeyBytes } },
  ]) {
    const stored = await exportDeviceKeys({ ...keys, hpkeKeys: [x25519Key, broken] });
    await expect(importDeviceKeys(stored, { extractable: true })).rejects.toThrow(SealedFormatError);
  }
});

it("get new HPKE keys each week and lose each 30 days after it was replaced", async () => {
  const { keys: first } = await newDevice();
  expect(first.hpkeKeys.map((key) => key.kemId)).toEqual([x25519KemId, xWingKemId]);
  expect(await rotateDeviceKeys(first, now + 7 * dayMs - 1)).toBe(first);
  let keys: DeviceKeys = first;
  for (let day = 1; day <= 60; day++) {
    keys = await rotateDeviceKeys(keys, now + day * dayMs);
    for (const oldest of first.hpkeKeys) expect(keys.hpkeKeys.includes(oldest)).toBe(day < 37);
    expect(keys.hpkeKeys.length).toBeLessThanOrEqual(12);
  }
  expect(keys.dik).toBe(first.dik);
});

it("stored before X-Wing gain one at once, together with a new X25519 key", async () => {
  const { keys } = await withoutXWing(await newDevice());
  const stored = await importDeviceKeys(await exportDeviceKeys(keys), { extractable: true });
  const rotated = await rotateDeviceKeys(stored, now + dayMs);
  expect(rotated.hpkeKeys.map((key) => key.kemId)).toEqual([x25519KemId, xWingKemId, x25519KemId]);
  expect(rotated.hpkeKeys[2]).toBe(stored.hpkeKeys[0]);
  expect(await rotateDeviceKeys(rotated, now + dayMs)).toBe(rotated);
});

it("of a basic device stay its one X25519 key, which is its identity", async () => {
  const { keys } = await newDevice({ basic: true });
  expect(await rotateDeviceKeys(keys, now + 100 * dayMs)).toBe(keys);
});

const areSeedsWiped = ({ hpkeKeys }: DeviceKeys) =>
  hpkeKeys.flatMap(({ pair }) => ("seed" in pair ? [pair.seed.every((byte) => byte === 0)] : []));

it("overwrite the X-Wing seeds that were dropped, and no others", async () => {
  const { keys: first } = await newDevice();
  const later = await rotateDeviceKeys(first, now + 8 * dayMs);
  const last = { ...later, hpkeKeys: later.hpkeKeys.slice(0, 2) };
  wipeDroppedKeys(later, last);
  expect(areSeedsWiped(later)).toEqual([false, true]);
  wipeDroppedKeys(last, undefined);
  expect(areSeedsWiped(later)).toEqual([true, true]);
});

it.each(["off", "require"] as const)(
  "still open, after a rotation, what was sealed to the key before: pq %s",
  async (pq) => {
    const [alice, bob] = await Promise.all([newDevice(), newDevice()]);
    const sent = await sendOne(alice, bob, { pq });
    const rotated = await rotateDeviceKeys(bob.keys, now + 8 * dayMs);
    expect(rotated.hpkeKeys).toHaveLength(4);
    expect(await codeOf(openEnvelope({ ...sent, keys: rotated }))).toBe("opened");
    const forgetful = { ...rotated, hpkeKeys: rotated.hpkeKeys.slice(0, 2) };
    expect(await codeOf(openEnvelope({ ...sent, keys: forgetful }))).toBe("no_key");
  },
);

it("of a bundle sender authenticate to a bare reader across a rotation", async () => {
  const [alice, bob] = await Promise.all([newDevice(), newDevice({ basic: true })]);
  const sent = await sendOne(alice, bob);
  const rotated = await published({ ...(await rotateDeviceKeys(alice.keys, now + 8 * dayMs)) });
  expect(await codeOf(openEnvelope({ ...sent, sender: rotated.verified }))).toBe("opened");
});

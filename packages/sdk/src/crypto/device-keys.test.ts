import { SealedFormatError } from "@sotto/schema";
import { expect, it } from "vitest";
import {
  type DeviceKeys,
  exportDeviceKeys,
  generateDeviceKeys,
  importDeviceKeys,
  rotateDeviceKeys,
} from "./device-keys.ts";
import { codeOf, newDevice, now, published, sendOne } from "./fixtures.ts";
import { openEnvelope } from "./open-envelope.ts";

const dayMs = 86_400_000;

it("survive a store, and then open what was sealed before", async () => {
  for (const basic of [false, true]) {
    const [alice, bob] = [await newDevice(), await newDevice({ basic })];
    const sent = await sendOne(alice, bob);
    const keys = await importDeviceKeys(await exportDeviceKeys(bob.keys), { extractable: false });
    expect((await openEnvelope({ ...sent, keys })).payload.kind).toBe("text");
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

it("get a new HPKE key each week and lose each 30 days after it was replaced", async () => {
  const { keys: first } = await newDevice();
  expect(await rotateDeviceKeys(first, now + 7 * dayMs - 1)).toBe(first);
  let keys: DeviceKeys = first;
  const [oldest] = first.hpkeKeys;
  for (let day = 1; day <= 60; day++) {
    keys = await rotateDeviceKeys(keys, now + day * dayMs);
    expect(keys.hpkeKeys.includes(oldest ?? expect.fail())).toBe(day < 37);
    expect(keys.hpkeKeys.length).toBeLessThanOrEqual(6);
  }
  expect(keys.dik).toBe(first.dik);
});

it("still open, after a rotation, what was sealed to the key before", async () => {
  const [alice, bob] = await Promise.all([newDevice(), newDevice()]);
  const sent = await sendOne(alice, bob);
  const rotated = await rotateDeviceKeys(bob.keys, now + 8 * dayMs);
  expect(rotated.hpkeKeys).toHaveLength(2);
  expect(await codeOf(openEnvelope({ ...sent, keys: rotated }))).toBe("opened");
  const [newest] = rotated.hpkeKeys;
  const forgetful = { ...rotated, hpkeKeys: newest ? [newest] : [] };
  expect(await codeOf(openEnvelope({ ...sent, keys: forgetful }))).toBe("no_key");
});

it("of a bundle sender authenticate to a bare reader across a rotation", async () => {
  const [alice, bob] = await Promise.all([newDevice(), newDevice({ basic: true })]);
  const sent = await sendOne(alice, bob);
  const rotated = await published({ ...(await rotateDeviceKeys(alice.keys, now + 8 * dayMs)) });
  expect(await codeOf(openEnvelope({ ...sent, sender: rotated.verified }))).toBe("opened");
});

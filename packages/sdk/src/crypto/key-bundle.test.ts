import {
  currentBundleKeys,
  decodeBase64url,
  encodeBase64url,
  encodeKeyBundle,
  parseKeyBundle,
} from "@sotto/schema";
import { describe, expect, it, vi } from "vitest";
import { rotateDeviceKeys, sealableForMs } from "./device-keys.ts";
import { flip, newDevice, now } from "./fixtures.ts";
import { x25519KemId, xWingKemId } from "./kems.ts";
import {
  findSealingKey,
  isOlderKey,
  issueTimeMs,
  makePublicKey,
  verifyDevicePublicKey,
} from "./key-bundle.ts";

const dayMs = 86_400_000;
const reasonOf = async (publicKey: string, input: Parameters<typeof verifyDevicePublicKey>[1]) => {
  const verdict = await verifyDevicePublicKey(publicKey, input);
  return verdict.ok ? "ok" : verdict.reason;
};

describe("a published key bundle", () => {
  it("verifies for its device, and carries its keys", async () => {
    const { keys, published } = await newDevice();
    const verdict = await verifyDevicePublicKey(published.publicKey, { ...published, now });
    if (!verdict.ok || verdict.device.kind !== "bundle") throw new Error("unexpected");
    expect(verdict.isExpired).toBe(false);
    expect(verdict.device.dik).toEqual(keys.dik?.publicKeyBytes);
    expect(verdict.device.bundle.keys.map(({ kid, kemId }) => [kid, kemId])).toEqual([
      [keys.hpkeKeys[0]?.kid, x25519KemId],
      [keys.hpkeKeys[1]?.kid, xWingKemId],
    ]);
  });

  it("is refused with any bit changed", async () => {
    const { published } = await newDevice();
    const bytes = decodeBase64url(published.publicKey.slice(4));
    const reasons = await Promise.all(
      Array.from(bytes, (_, at) =>
        reasonOf(`kb1.${encodeBase64url(flip(bytes, at))}`, { ...published, now }),
      ),
    );
    expect([...new Set(reasons)].toSorted()).toEqual(["signature_invalid", "unusable", "wrong_device"]);
  });

  it("is refused for another user, another device, another identity, before its time", async () => {
    const [{ published, keys }, other] = await Promise.all([newDevice(), newDevice()]);
    const { publicKey } = published;
    const input = { ...published, now };
    expect(await reasonOf(publicKey, { ...input, userId: other.keys.userId })).toBe("wrong_device");
    expect(await reasonOf(publicKey, { ...input, deviceId: other.keys.deviceId })).toBe("wrong_device");
    expect(await reasonOf(publicKey, { ...input, pinnedDik: other.keys.dik?.publicKeyBytes })).toBe(
      "identity_changed",
    );
    expect(await reasonOf(publicKey, { ...input, pinnedDik: keys.dik?.publicKeyBytes })).toBe("ok");
    expect(await reasonOf(publicKey, { ...input, now: now - 200_000 })).toBe("ok");
    expect(await reasonOf(publicKey, { ...input, now: now - 400_000 })).toBe("not_yet_valid");
  });

  it("is refused with another key's signature, or with a key id that is not its key's", async () => {
    const [{ published }, other] = await Promise.all([newDevice(), newDevice()]);
    const bundle = parseKeyBundle(published.publicKey) ?? expect.fail();
    const { signature } = parseKeyBundle(other.published.publicKey) ?? expect.fail();
    expect(await reasonOf(encodeKeyBundle({ ...bundle, signature }), { ...published, now })).toBe(
      "signature_invalid",
    );
    const { keys } = await newDevice();
    const [key] = keys.hpkeKeys;
    const lying = { ...keys, hpkeKeys: key ? [{ ...key, kid: "0011223344556677" }] : [] };
    expect(await reasonOf(await makePublicKey(lying, now), { ...keys, now })).toBe("kid_mismatch");
  });

  it("has its signature checked once, and whose it must be each time; a bad one stays bad", async () => {
    const { published } = await newDevice();
    const bundle = parseKeyBundle(published.publicKey) ?? expect.fail();
    const forged = encodeKeyBundle({ ...bundle, signature: flip(bundle.signature, 3) });
    const verify = vi.spyOn(crypto.subtle, "verify");
    const input = { ...published, now };
    for (const reason of ["ok", "wrong_device", "ok"]) {
      const deviceId = reason === "ok" ? published.deviceId : published.userId;
      expect(await reasonOf(published.publicKey, { ...input, deviceId })).toBe(reason);
      expect(await reasonOf(forged, input)).toBe("signature_invalid");
    }
    // The forged one; the fixture has asked for the other.
    expect(verify).toHaveBeenCalledTimes(1);
    verify.mockRestore();
  });

  it.each([x25519KemId, xWingKemId])(
    "offers its newest valid key of KEM %i; past its time still the newest, and says so",
    async (kemId) => {
      const { keys } = await newDevice();
      const week2 = await rotateDeviceKeys(keys, now + 7 * dayMs);
      const publicKey = await makePublicKey(week2, now + 7 * dayMs);
      const [newest, older] = week2.hpkeKeys.filter((key) => key.kemId === kemId);
      const at = async (time: number) => {
        const verdict = await verifyDevicePublicKey(publicKey, { ...keys, now: time });
        if (!verdict.ok || verdict.device.kind !== "bundle") throw new Error("unexpected");
        const current = currentBundleKeys(verdict.device.bundle, time).keys.filter(
          (key) => key.kemId === kemId,
        );
        const kid = findSealingKey(verdict.device, { kemId, now: time })?.kid;
        return { kid, isExpired: verdict.isExpired, current: current.map((key) => key.kid) };
      };
      const fresh = { kid: newest?.kid, isExpired: false };
      expect(await at(now + 7 * dayMs)).toEqual({ ...fresh, current: [newest?.kid, older?.kid] });
      expect(await at(now + sealableForMs + dayMs)).toEqual({ ...fresh, current: [newest?.kid] });
      const expired = { kid: newest?.kid, isExpired: true, current: [newest?.kid] };
      expect(await at(now + 7 * dayMs + sealableForMs + dayMs)).toEqual(expired);
    },
  );

  it("stays small: X-Wing keys that have run out are left out, X25519's stay for readers without an identity", async () => {
    let { keys } = await newDevice();
    for (let week = 1; week <= 6; week++) keys = await rotateDeviceKeys(keys, now + week * 7 * dayMs);
    const bundle = parseKeyBundle(await makePublicKey(keys, now + 42 * dayMs)) ?? expect.fail();
    const published = (kemId: number) =>
      bundle.keys
        .filter((key) => key.kemId === kemId)
        .map((key) => (now / 1000 + 42 * 86_400 - key.notBeforeSec) / 86_400);
    expect(published(x25519KemId)).toEqual([0, 7, 14, 21, 28, 35]);
    expect(published(xWingKemId)).toEqual([0, 7, 14]);
    expect(keys.hpkeKeys).toHaveLength(12);
  });
});

describe("a bare key", () => {
  it("is taken as base64 or base64url, padded or not, but not where an identity is pinned", async () => {
    const { published, keys } = await newDevice({ basic: true });
    const bytes = keys.hpkeKeys[0]?.pair.publicKeyBytes ?? expect.fail();
    const base64 = Buffer.from(bytes).toString("base64");
    for (const publicKey of [published.publicKey, base64, base64.slice(0, 43), `${published.publicKey}=`]) {
      const verdict = await verifyDevicePublicKey(publicKey, { ...published, now });
      expect(verdict).toMatchObject({
        ok: true,
        device: { kind: "bare", kid: keys.hpkeKeys[0]?.kid, publicKey: bytes },
      });
    }
    expect(await reasonOf(published.publicKey, { ...published, now, pinnedDik: bytes })).toBe(
      "identity_changed",
    );
  });

  it.each([
    "",
    "key",
    "kb1.",
    "kb1.AAAA",
    "A".repeat(42),
    "A".repeat(44),
    "-----BEGIN PUBLIC KEY-----",
    `${"A".repeat(42)}B`,
  ])("is not %j", async (publicKey) => {
    const { published } = await newDevice();
    expect(await reasonOf(publicKey, { ...published, now })).toBe("unusable");
  });
});

const keyOf = async (at: number) => makePublicKey((await newDevice()).keys, at);

describe("the time of issue", () => {
  it("is now, and later than that of the last bundle though the clock was set back", async () => {
    const last = await keyOf(now);
    expect(issueTimeMs(now, null)).toBe(now);
    expect(issueTimeMs(now + dayMs, last)).toBe(now + dayMs);
    const lastSec = Math.floor(now / 1000);
    for (const backMs of [0, 1, 3_600_000, dayMs - 2_000]) {
      expect(issueTimeMs(now - backMs, last)).toBe((lastSec + 1) * 1000);
    }
    expect(isOlderKey(await keyOf(issueTimeMs(now - 3_600_000, last)), last)).toBe(false);
  });

  it("is now again after a clock that was far ahead, whose bundle nobody took", async () => {
    const last = await keyOf(now + 2 * dayMs);
    expect(issueTimeMs(now, last)).toBe(now);
  });

  it("tells an older bundle from the same one, a newer one and what is no bundle", async () => {
    const [older, newest, newer] = [await keyOf(now - 1_000), await keyOf(now), await keyOf(now + 1_000)];
    expect(isOlderKey(older, newest)).toBe(true);
    expect(isOlderKey(newest, newest)).toBe(false);
    expect(isOlderKey(newer, newest)).toBe(false);
    expect(isOlderKey(encodeBase64url(new Uint8Array(32)), newest)).toBe(false);
    expect(isOlderKey(older, encodeBase64url(new Uint8Array(32)))).toBe(false);
  });
});

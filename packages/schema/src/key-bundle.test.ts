import { describe, expect, it } from "vitest";
import { publish } from "./domains/keys.ts";
import { send } from "./domains/messages.ts";
import {
  type BundleKey,
  type KeyBundleParts,
  currentBundleKeys,
  encodeKeyBundle,
  encodeWrap,
  maxPublicKeyChars,
  parseDevicePublicKey,
  parseKeyBundle,
  sealedLimits,
} from "./index.ts";

const [x25519, xWing] = [0x0020, 0x647a];
const daySec = 86_400;
const now = 1_768_478_400;
const id = "00000000-0000-4000-8000-000000000001";

/** A key that was made so many days ago, and is valid for 14. */
function key(kemId: number, ageDays: number): BundleKey {
  const notBeforeSec = now - ageDays * daySec;
  const kid = `${kemId.toString(16).padStart(8, "0")}${ageDays.toString(16).padStart(8, "0")}`;
  const publicKey = new Uint8Array(kemId === xWing ? 1216 : 32).fill(0xff);
  return { kid, kemId, publicKey, notBeforeSec, notAfterSec: notBeforeSec + 14 * daySec };
}

function bundle(keys: BundleKey[]): KeyBundleParts {
  const expiresSec = now + 14 * daySec;
  const [dik, signature] = [new Uint8Array(32), new Uint8Array(64)];
  return { userId: id, deviceId: "d".repeat(64), issuedSec: now, expiresSec, dik, keys, signature };
}

const charsOf = (bytes: number) => Math.ceil((bytes * 4) / 3);
const sendWith = (wrap: string) => ({
  recipientUserId: id,
  senderDeviceId: "d",
  ciphertext: "c",
  recipients: [{ userId: id, deviceId: "d", wrap }],
});

const kidsAt = (keys: BundleKey[], days: number) => {
  const { keys: current, isExpired } = currentBundleKeys(bundle(keys), (now + days * daySec) * 1000);
  return {
    current: current.map(({ kemId, kid }) => [kemId, Number.parseInt(kid.slice(8), 16)]),
    isExpired,
  };
};

describe("a bundle with X-Wing keys", () => {
  it("of the most keys that a device publishes fits the limits, as a string and in the contract", () => {
    const kept = [0, 7, 14, 21, 28, 35].map((age) => key(x25519, age));
    const full = bundle([...kept, ...[0, 7, 14].map((age) => key(xWing, age))]);
    const publicKey = encodeKeyBundle(full);
    expect(publicKey.length).toBeLessThan(maxPublicKeyChars / 2);
    expect(parseKeyBundle(publicKey)).toEqual(full);
    expect(publish.input.safeParse({ deviceId: "d", publicKey }).success).toBe(true);
  });

  it("has room for nine of them; a tenth is refused by its size before it is decoded", () => {
    const nine = encodeKeyBundle(bundle(Array.from({ length: 9 }, (_, age) => key(xWing, age))));
    expect(parseDevicePublicKey(nine).kind).toBe("bundle");
    const ten = encodeKeyBundle(bundle(Array.from({ length: 10 }, (_, age) => key(xWing, age))));
    expect(parseDevicePublicKey(ten).kind).toBe("unusable");
  });

  it("never has a limit in bytes that the limit in characters cuts short", () => {
    expect("kb1.".length + charsOf(sealedLimits.maxKeyBundleBytes)).toBeLessThanOrEqual(maxPublicKeyChars);
    const largest = "A".repeat(charsOf(sealedLimits.maxWrapBytes));
    expect(send.input.safeParse(sendWith(largest)).success).toBe(true);
    const wrap = encodeWrap({
      kid: "0011223344556677",
      kemId: xWing,
      enc: new Uint8Array(1120),
      sealedCek: new Uint8Array(48),
    });
    expect(wrap.length).toBe(1582);
    expect(send.input.safeParse(sendWith(wrap)).success).toBe(true);
    expect(send.input.safeParse(sendWith("A".repeat(4097))).success).toBe(false);
  });
});

describe("the keys that may be sealed to", () => {
  it("are the valid ones of each KEM", () => {
    const keys = [key(x25519, 0), key(xWing, 0), key(x25519, 7), key(xWing, 7), key(x25519, 21)];
    expect(kidsAt(keys, 1)).toEqual({
      current: [
        [x25519, 0],
        [xWing, 0],
        [x25519, 7],
        [xWing, 7],
      ],
      isExpired: false,
    });
  });

  it("hold the newest of each KEM though its time is over, also when the other KEM's is not", () => {
    const keys = [key(x25519, 0), key(xWing, 20), key(xWing, 30)];
    expect(kidsAt(keys, 1)).toEqual({
      current: [
        [x25519, 0],
        [xWing, 20],
      ],
      isExpired: false,
    });
    expect(kidsAt(keys, 40)).toEqual({
      current: [
        [x25519, 0],
        [xWing, 20],
      ],
      isExpired: true,
    });
  });
});

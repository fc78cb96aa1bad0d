/** For tests only: devices, and one message from one to another. */
import { randomUUID } from "node:crypto";
import { type DeviceKeys, generateDeviceKeys } from "./device-keys.ts";
import { EnvelopeError } from "./errors.ts";
import { x25519KemId } from "./kems.ts";
import { type VerifiedDevice, makePublicKey, verifyDevicePublicKey } from "./key-bundle.ts";
import type { OpenEnvelopeInput } from "./open-envelope.ts";
import { type SealEnvelopeInput, sealEnvelope } from "./seal-envelope.ts";
import type { RecipientDevice } from "./wrap-for-devices.ts";

export const now = Date.UTC(2026, 0, 15);

export interface TestDevice {
  keys: DeviceKeys;
  published: RecipientDevice;
  verified: VerifiedDevice;
}

/** `basic`: without an identity key, publishing a bare X25519 key. */
export async function newDevice(options: { basic?: boolean; userId?: string } = {}): Promise<TestDevice> {
  const { basic = false, userId = randomUUID() } = options;
  const made = await generateDeviceKeys({ userId, deviceId: randomUUID(), now, extractable: true });
  const x25519Keys = made.hpkeKeys.filter((key) => key.kemId === x25519KemId);
  return published(basic ? { ...made, dik: null, hpkeKeys: x25519Keys } : made);
}

/** What such a device was before it knew X-Wing. */
export async function withoutXWing({ keys }: TestDevice): Promise<TestDevice> {
  return published({ ...keys, hpkeKeys: keys.hpkeKeys.filter((key) => key.kemId === x25519KemId) });
}

export async function published(keys: DeviceKeys): Promise<TestDevice> {
  const { userId, deviceId } = keys;
  const publicKey = await makePublicKey(keys, now);
  const verdict = await verifyDevicePublicKey(publicKey, { userId, deviceId, now });
  if (!verdict.ok) throw new Error(verdict.reason);
  return { keys, published: { userId, deviceId, publicKey }, verified: verdict.device };
}

/** Seals from one device to another, and gives what the other needs to open it. */
export async function sendOne(
  from: TestDevice,
  to: TestDevice,
  overrides: Partial<SealEnvelopeInput> = {},
): Promise<OpenEnvelopeInput> {
  const input: SealEnvelopeInput = {
    conversationId: randomUUID(),
    messageId: randomUUID(),
    counter: 7,
    payload: { kind: "text", text: "meet at the lighthouse", sentAtMs: now },
    devices: [from.published, to.published],
    sender: from.keys,
    now,
    ...overrides,
  };
  const { body, wraps } = await sealEnvelope(input);
  const wrap = wraps.find((one) => one.deviceId === to.keys.deviceId)?.wrap ?? "";
  const { conversationId, messageId } = input;
  const claims = {
    conversationId,
    messageId,
    senderUserId: from.keys.userId,
    senderDeviceId: from.keys.deviceId,
  };
  return { body, wrap, claims, sender: from.verified, keys: to.keys };
}

/** The code of the {@link EnvelopeError} that a promise fails with; "opened" when it does not fail. */
export async function codeOf(result: Promise<unknown>): Promise<string> {
  return result.then(
    () => "opened",
    (error: unknown) => {
      if (error instanceof EnvelopeError) return error.code;
      throw error;
    },
  );
}

/** The same bytes with one bit of one byte changed. */
export function flip(bytes: Uint8Array, at: number): Uint8Array<ArrayBuffer> {
  const flipped = Uint8Array.from(bytes);
  flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
  return flipped;
}

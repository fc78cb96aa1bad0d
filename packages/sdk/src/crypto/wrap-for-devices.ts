/** Who gets a message, and with which KEM: the devices' keys are judged first, then one KEM serves them all. */
import type { Bytes, DeviceAddress } from "@sotto/schema";
import type { DeviceKeys } from "./device-keys.ts";
import { type KemName, x25519KemId, xWingKemId } from "./kems.ts";
import {
  type PublicKeyRefusal,
  type PublicKeyVerdict,
  type VerifiedDevice,
  findSealingKey,
  verifyDevicePublicKey,
} from "./key-bundle.ts";
import { sealWrap } from "./wrap.ts";

/**
 * When to seal with X-Wing, which also resists quantum computers. A message is as strong as its weakest wrap, so all of
 * its wraps have one KEM.
 * - `prefer`: X-Wing when every device can and there are at most {@link maxPreferredXWing}, otherwise X25519.
 * - `require`: X-Wing; a device that cannot is not reached (`no_post_quantum_key`).
 * - `off`: X25519.
 */
export type PqPolicy = "require" | "prefer" | "off";

/** X-Wing's wraps are 1.2 KB and 3 ms each: up to here `prefer` takes that (e2ee §4: 24 KB, 62 ms). */
export const maxPreferredXWing = 20;

/** A device to seal for. */
export interface RecipientDevice extends DeviceAddress {
  /** As published: a `kb1.` bundle, a bare key, or anything. */
  publicKey: string;
  /** The device's Ed25519 key from its user's verified device list. */
  pinnedDik?: Bytes | undefined;
  /** Why it must not be sealed to, whatever its key. */
  refusal?: PublicKeyRefusal | undefined;
  /** Of `not_listed`: the version of the list that does not name it. */
  listVersion?: number | undefined;
}

/** Why a device could not be sealed to. */
export type UnreachableReason =
  | PublicKeyRefusal
  /** The policy is `require`, and the device has no X-Wing key. */
  | "no_post_quantum_key";

/** A device that a message was not sealed for. */
export interface UnreachableDevice extends DeviceAddress {
  reason: UnreachableReason;
}

/** A message's content key, wrapped for each device. */
export interface DeviceWraps {
  /** What every wrap was sealed with: the answer to {@link PqPolicy} `prefer`. */
  kem: KemName;
  /** `recipients` of the API; `wrap` is `""` for a device that could not be sealed to. */
  wraps: (DeviceAddress & { wrap: string; listVersion?: number })[];
  unreachable: UnreachableDevice[];
  /** Reached through a bare key, without the protection of a signed bundle. */
  basic: DeviceAddress[];
  /** Reached through a key past its time: the device has been away. */
  expired: DeviceAddress[];
}

interface WrapInput {
  cek: Bytes;
  sender: DeviceKeys;
  bodyHash: Bytes;
  now: number;
  pq: PqPolicy;
}

interface Judged {
  address: DeviceAddress & { listVersion?: number };
  verdict: PublicKeyVerdict;
}

type Reached = Pick<Judged, "address"> &
  ({ wrap: string; isBasic: boolean; isExpired: boolean } | { wrap: undefined; reason: UnreachableReason });

/** Wraps a content key for devices. A device that cannot be reached is a value. */
export async function wrapForDevices(
  devices: readonly RecipientDevice[],
  input: WrapInput,
): Promise<DeviceWraps> {
  const judged = await Promise.all(devices.map((device) => judge(device, input.now)));
  const targets = judged.flatMap(({ verdict }) => (verdict.ok ? [verdict.device] : []));
  const kem = chooseKem(targets, input);
  return report(kem, await Promise.all(judged.map((one) => reach(one, kem, input))));
}

async function judge(
  { userId, deviceId, publicKey, pinnedDik, refusal, listVersion }: RecipientDevice,
  now: number,
): Promise<Judged> {
  const address = { userId, deviceId };
  if (refusal) {
    const by = listVersion === undefined ? {} : { listVersion };
    return { address: { ...address, ...by }, verdict: { ok: false, reason: refusal } };
  }
  return { address, verdict: await verifyDevicePublicKey(publicKey, { ...address, now, pinnedDik }) };
}

function chooseKem(targets: readonly VerifiedDevice[], { pq, sender, now }: WrapInput): KemName {
  if (pq !== "prefer") return pq === "require" ? "x-wing" : "x25519";
  // A basic sender proves itself by Auth mode, which X-Wing does not have.
  const isPossible = sender.dik !== null && targets.every((device) => hasXWing(device, now));
  return isPossible && targets.length <= maxPreferredXWing ? "x-wing" : "x25519";
}

function hasXWing(device: VerifiedDevice, now: number): boolean {
  return findSealingKey(device, { kemId: xWingKemId, now }) !== undefined;
}

async function reach({ address, verdict }: Judged, kem: KemName, input: WrapInput): Promise<Reached> {
  if (!verdict.ok) return { address, wrap: undefined, reason: verdict.reason };
  const { device: recipient, isExpired } = verdict;
  const { cek, sender, bodyHash, now } = input;
  if (kem === "x-wing" && !hasXWing(recipient, now)) {
    return { address, wrap: undefined, reason: "no_post_quantum_key" };
  }
  const kemId = kem === "x-wing" ? xWingKemId : x25519KemId;
  const wrap = await sealWrap(cek, { kemId, recipient, sender, bodyHash, now });
  if (wrap === undefined) return { address, wrap, reason: "unusable" };
  return { address, wrap, isBasic: recipient.kind === "bare" || sender.dik === null, isExpired };
}

function report(kem: KemName, all: readonly Reached[]): DeviceWraps {
  return {
    kem,
    wraps: all.map(({ address, wrap }) => ({ ...address, wrap: wrap ?? "" })),
    unreachable: all.flatMap((one) =>
      one.wrap === undefined ? [{ ...plain(one.address), reason: one.reason }] : [],
    ),
    basic: all.flatMap((one) => (one.wrap !== undefined && one.isBasic ? [one.address] : [])),
    expired: all.flatMap((one) => (one.wrap !== undefined && one.isExpired ? [one.address] : [])),
  };
}

const plain = ({ userId, deviceId }: DeviceAddress): DeviceAddress => ({ userId, deviceId });

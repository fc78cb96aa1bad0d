/** Sealing: one body for everyone, one wrap for each device (`sealed/v1`, docs: e2ee §5.2). */
import {
  type Bytes,
  type DeviceAddress,
  type SealedClass,
  SealedFormatError,
  type SealedHeader,
  encodeBase64url,
  encodeCbor,
  rosterBytes,
  sealedHeaderItems,
  sealedLimits,
} from "@sotto/schema";
import { sealContent, signedBytes } from "./content.ts";
import type { DeviceKeys } from "./device-keys.ts";
import { EnvelopeError } from "./errors.ts";
import { type PublicKeyRefusal, verifyDevicePublicKey } from "./key-bundle.ts";
import { type Payload, encodePayload } from "./payload.ts";
import { ed25519Sign, randomBytes, sha256 } from "./primitives.ts";
import { sealWrap } from "./wrap.ts";

export interface RecipientDevice extends DeviceAddress {
  /** As published: a `kb1.` bundle, a bare key, or anything. */
  publicKey: string;
  /** The device's Ed25519 key from its user's verified device list. */
  pinnedDik?: Bytes | undefined;
}

export interface SealEnvelopeInput {
  conversationId: string;
  /** A new UUID; also the idempotency key. A retry sends the same bytes, never seals again under the same id. */
  messageId: string;
  /** One more than this device's last in this conversation. */
  counter: number;
  class?: SealedClass;
  payload: Payload;
  /** Every device of every participant. The sending device may be among them: it counts in the roster, gets no wrap. */
  devices: readonly RecipientDevice[];
  sender: DeviceKeys;
  /** ms since the epoch */
  now: number;
}

export interface UnreachableDevice extends DeviceAddress {
  reason: PublicKeyRefusal;
}

export interface SealedEnvelope {
  /** `ciphertext` of the API. */
  body: string;
  /** `recipients` of the API; `wrap` is `""` for a device that could not be sealed to. */
  wraps: (DeviceAddress & { wrap: string })[];
  unreachable: UnreachableDevice[];
  /** Reached through a bare key, without the protection of a signed bundle. */
  basic: DeviceAddress[];
  /** Reached through a key past its time: the device has been away. */
  expired: DeviceAddress[];
}

/** SHA-256 over the roster: what a header says of who could read a message. Throws `invalid_input`. */
export async function hashRoster(devices: readonly DeviceAddress[]): Promise<Bytes> {
  return sha256(asInput(() => rosterBytes(devices)));
}

/** Seals a payload for devices. Throws {@link EnvelopeError} `invalid_input` or `oversize`; a bad recipient key never throws. */
export async function sealEnvelope(input: SealEnvelopeInput): Promise<SealedEnvelope> {
  const { conversationId, messageId, counter, sender, devices, now } = input;
  const self = { userId: sender.userId, deviceId: sender.deviceId };
  const header: SealedHeader = {
    contentSuite: 1,
    conversationId,
    senderUserId: self.userId,
    senderDeviceId: self.deviceId,
    messageId,
    counter,
    class: input.class ?? "content",
    rosterHash: await hashRoster([self, ...devices]),
  };
  const headerItems = asInput(() => sealedHeaderItems(header));
  const payload = encodePayload(input.payload);
  const signature =
    sender.dik && (await ed25519Sign(signedBytes(headerItems, payload), sender.dik.privateKey));
  const cek = randomBytes(32);
  try {
    const iv = randomBytes(12);
    const contentKey = { cek, messageId };
    const headerBytes = encodeCbor(headerItems);
    const { keyCommit, ct } = await sealContent({ payload, signature }, { contentKey, iv, headerBytes });
    const body = encodeCbor([headerItems, iv, keyCommit, ct]);
    if (body.length > sealedLimits.maxBodyBytes) throw new EnvelopeError("oversize");
    const bodyHash = await sha256(body);
    const others = devices.filter(
      ({ userId, deviceId }) => userId !== self.userId || deviceId !== self.deviceId,
    );
    const reached = await Promise.all(
      others.map((device) => sealFor(device, { cek, sender, bodyHash, now })),
    );
    return { body: encodeBase64url(body), ...report(reached) };
  } finally {
    cek.fill(0);
  }
}

/** A broken id or counter is the caller's mistake. */
function asInput<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof SealedFormatError) throw new EnvelopeError("invalid_input", error.message);
    throw error;
  }
}

type Reached = { address: DeviceAddress } & (
  | { wrap: string; isBasic: boolean; isExpired: boolean }
  | { wrap: undefined; reason: PublicKeyRefusal }
);

async function sealFor(
  device: RecipientDevice,
  { cek, sender, bodyHash, now }: { cek: Bytes; sender: DeviceKeys; bodyHash: Bytes; now: number },
): Promise<Reached> {
  const address = { userId: device.userId, deviceId: device.deviceId };
  const verdict = await verifyDevicePublicKey(device.publicKey, {
    ...address,
    now,
    pinnedDik: device.pinnedDik,
  });
  if (!verdict.ok) return { address, wrap: undefined, reason: verdict.reason };
  const recipient = verdict.device;
  const wrap = await sealWrap(cek, { recipient, sender, bodyHash, now });
  if (wrap === undefined) return { address, wrap, reason: "unusable" };
  const isBasic = recipient.kind === "bare" || sender.dik === null;
  return { address, wrap, isBasic, isExpired: verdict.isExpired };
}

function report(all: readonly Reached[]): Omit<SealedEnvelope, "body"> {
  return {
    wraps: all.map(({ address, wrap }) => ({ ...address, wrap: wrap ?? "" })),
    unreachable: all.flatMap((one) =>
      one.wrap === undefined ? [{ ...one.address, reason: one.reason }] : [],
    ),
    basic: all.flatMap((one) => (one.wrap !== undefined && one.isBasic ? [one.address] : [])),
    expired: all.flatMap((one) => (one.wrap !== undefined && one.isExpired ? [one.address] : [])),
  };
}

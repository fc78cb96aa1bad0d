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
import { type Payload, encodePayload } from "./payload.ts";
import { ed25519Sign, randomBytes, sha256 } from "./primitives.ts";
import { type DeviceWraps, type PqPolicy, type RecipientDevice, wrapForDevices } from "./wrap-for-devices.ts";

/** What is sealed, by whom and for whom. */
export interface SealEnvelopeInput {
  conversationId: string;
  /** A new UUID; also the idempotency key. A retry sends the same bytes, never seals again under the same id. */
  messageId: string;
  /** One more than this device's last in this conversation. */
  counter: number;
  class?: SealedClass;
  payload: Payload;
  /** Lower counters of this device's that the server has refused: the readers need not miss them. */
  refused?: readonly number[] | undefined;
  /** Every device of every participant. The sending device may be among them: it counts in the roster, gets no wrap. */
  devices: readonly RecipientDevice[];
  sender: DeviceKeys;
  /** ms since the epoch */
  now: number;
  /** `prefer` by default. */
  pq?: PqPolicy | undefined;
}

/** A sealed message, as the server takes it. */
export interface SealedEnvelope extends DeviceWraps {
  /** `ciphertext` of the API. */
  body: string;
}

/** SHA-256 over the roster: what a header says of who could read a message. Throws `invalid_input`. */
export async function hashRoster(devices: readonly DeviceAddress[]): Promise<Bytes> {
  return sha256(asInput(() => rosterBytes(devices)));
}

/**
 * Seals a payload for devices; the result's `kem` says with which KEM. Throws {@link EnvelopeError} `invalid_input`, also
 * for `pq: "require"` from a basic device, or `oversize`; a bad recipient key never throws.
 */
export async function sealEnvelope(input: SealEnvelopeInput): Promise<SealedEnvelope> {
  const { conversationId, messageId, counter, sender, devices, now, pq = "prefer" } = input;
  if (pq === "require" && sender.dik === null) {
    throw new EnvelopeError("invalid_input", "a basic device cannot seal with X-Wing");
  }
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
  const payload = encodePayload(input.payload, input.refused);
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
    return {
      body: encodeBase64url(body),
      ...(await wrapForDevices(others, { cek, sender, bodyHash, now, pq })),
    };
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

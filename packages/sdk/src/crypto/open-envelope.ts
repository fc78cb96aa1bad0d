/** Opening: refuses everything that is not exactly what its claimed sender sealed for this device. */
import {
  type DeviceAddress,
  type SealedBodyParts,
  SealedFormatError,
  type SealedHeader,
  parseSealedBody,
  sealedHeaderItems,
} from "@sotto/schema";
import { openContent, signedBytes } from "./content.ts";
import type { DeviceKeys } from "./device-keys.ts";
import { EnvelopeError } from "./errors.ts";
import type { KemName } from "./kems.ts";
import type { VerifiedSender } from "./key-bundle.ts";
import { type Payload, decodePayload } from "./payload.ts";
import { ed25519Verify, equalConstantTime, sha256 } from "./primitives.ts";
import { hashRoster } from "./seal-envelope.ts";
import { openWrap } from "./wrap.ts";

/** What the server says about a message; the header inside must say the same. */
export interface EnvelopeClaims {
  conversationId: string;
  senderUserId: string;
  senderDeviceId: string;
  /** The sender's own id of the message: its idempotency key. */
  messageId: string;
}

/** A sealed message as it came, and what it has to agree with. */
export interface OpenEnvelopeInput {
  body: string;
  /** This device's own wrap. */
  wrap: string;
  claims: EnvelopeClaims;
  /** The sender's device as `verifyDevicePublicKey` gave it, or as its user has signed for it. */
  sender: VerifiedSender;
  /** This device's keys. */
  keys: DeviceKeys;
  /** Given: the sender must have seen exactly these devices, its own included. */
  roster?: readonly DeviceAddress[] | undefined;
}

/** A message that was opened. */
export interface OpenedEnvelope {
  header: SealedHeader;
  payload: Payload;
  /** Lower counters of the sender's device that will not come, as the server has refused them. */
  refused: number[];
  /** `signed`: by the sender's identity key. `basic`: one side has only a bare key; deniable, on the server's word. */
  assurance: "signed" | "basic";
  /** What sealed the content key for this device. */
  kem: KemName;
}

/**
 * Opens an envelope. Throws {@link EnvelopeError}; nothing of the content comes out before all checks have passed.
 * Replays are the caller's to judge, with `acceptCounter(window, header.counter)`.
 */
export async function openEnvelope(input: OpenEnvelopeInput): Promise<OpenedEnvelope> {
  const { sender, keys } = input;
  const parts = parseBody(input.body);
  const { header } = parts;
  if (header.contentSuite !== 1) throw new EnvelopeError("unsupported_suite");
  checkClaims(header, input.claims);
  if (header.senderUserId !== sender.userId) throw new EnvelopeError("wrong_sender");
  if (header.senderDeviceId !== sender.deviceId) throw new EnvelopeError("wrong_device");
  if (input.roster && !equalConstantTime(header.rosterHash, await hashRoster(input.roster))) {
    throw new EnvelopeError("roster_mismatch");
  }
  const { cek, kem } = await openWrap(input.wrap, { keys, sender, bodyHash: await sha256(parts.bytes) });
  try {
    const { payload, signature } = await openContent(parts, { cek, messageId: header.messageId });
    // A bare sender has no key to check a signature with: one that is there was made for someone else's bundle.
    const isGenuine =
      sender.kind !== "bare" && signature
        ? await ed25519Verify(signedBytes(sealedHeaderItems(header), payload), signature, sender.dik)
        : sender.kind === "bare" && signature === null;
    if (!isGenuine) throw new EnvelopeError("signature_invalid");
    const assurance = sender.kind !== "bare" && keys.dik !== null ? "signed" : "basic";
    return { header, ...decodePayload(payload), assurance, kem };
  } finally {
    cek.fill(0);
  }
}

function parseBody(body: string): SealedBodyParts {
  try {
    const parts = parseSealedBody(body);
    if (parts) return parts;
  } catch (error) {
    if (!(error instanceof SealedFormatError)) throw error;
    throw new EnvelopeError(error.code === "too_large" ? "oversize" : "malformed");
  }
  throw new EnvelopeError("not_sealed");
}

function checkClaims(header: SealedHeader, claims: EnvelopeClaims): void {
  if (header.conversationId !== claims.conversationId) throw new EnvelopeError("wrong_conversation");
  if (header.senderUserId !== claims.senderUserId) throw new EnvelopeError("wrong_sender");
  if (header.senderDeviceId !== claims.senderDeviceId) throw new EnvelopeError("wrong_device");
  if (header.messageId !== claims.messageId) throw new EnvelopeError("wrong_message");
}

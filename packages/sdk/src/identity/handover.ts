import {
  type Bytes,
  SealedFormatError,
  cborItem,
  decodeCbor,
  encodeCbor,
  parseSealedBody,
} from "@sotto/schema";
import { v7 as uuidv7 } from "uuid";
import type { DeviceKeys } from "../crypto/device-keys.ts";
import { EnvelopeError } from "../crypto/errors.ts";
import type { VerifiedSender } from "../crypto/key-bundle.ts";
import { openEnvelope } from "../crypto/open-envelope.ts";
import { equalConstantTime } from "../crypto/primitives.ts";
import { sealEnvelope } from "../crypto/seal-envelope.ts";
import type { RecipientDevice } from "../crypto/wrap-for-devices.ts";

/** What an approving device hands to a new one. */
export interface Handover {
  /** From the new device's link code. */
  secret: Bytes;
  uik: Bytes;
  /** PKCS #8; null: the new device may not sign lists. */
  uikPrivate: Bytes | null;
  /** The age identity that histories for the new device are encrypted to. */
  transfer: string;
}

const payloadType = "handover/v1";
const maxBytes = 4_096;

/** A control message of the user's own devices: it belongs to no conversation, so the user's id stands in that place. */
export async function sealHandover(
  handover: Handover,
  { sender, recipient, now }: { sender: DeviceKeys; recipient: RecipientDevice; now: number },
): Promise<{ body: string; wrap: string } | undefined> {
  const { secret, uik, uikPrivate, transfer } = handover;
  const bytes = encodeCbor([payloadType, { secret, uik, uikPrivate, transfer }]);
  const { body, wraps } = await sealEnvelope({
    conversationId: sender.userId,
    messageId: uuidv7(),
    counter: 0,
    class: "control",
    payload: { kind: "unknown", type: payloadType, bytes },
    devices: [recipient],
    sender,
    now,
  });
  const wrap = wraps[0]?.wrap ?? "";
  return wrap === "" ? undefined : { body, wrap };
}

/** Undefined: not sealed by this device to us, not of the format, or without the secret of our link code. */
export async function openHandover(
  given: { body: string; wrap: string },
  { sender, keys, secret }: { sender: VerifiedSender; keys: DeviceKeys; secret: Bytes },
): Promise<Handover | undefined> {
  try {
    const messageId = parseSealedBody(given.body)?.header.messageId ?? "";
    const { userId } = keys;
    const claims = {
      conversationId: userId,
      senderUserId: userId,
      senderDeviceId: sender.deviceId,
      messageId,
    };
    const { payload, header, assurance } = await openEnvelope({ ...given, claims, sender, keys });
    if (payload.kind !== "unknown" || header.class !== "control" || assurance !== "signed") return undefined;
    const handover = parseHandover(payload.bytes);
    return equalConstantTime(handover.secret, secret) ? handover : undefined;
  } catch (error) {
    if (error instanceof EnvelopeError || error instanceof SealedFormatError) return undefined;
    throw error;
  }
}

function parseHandover(bytes: Bytes): Handover {
  const [type, fields] = cborItem.array(decodeCbor(bytes, maxBytes), payloadType, 2);
  cborItem.literal(type, payloadType);
  if (!(fields instanceof Map)) throw new SealedFormatError("bad_shape", "malformed handover");
  const uikPrivate: unknown = fields.get("uikPrivate");
  return {
    secret: cborItem.bytes(fields.get("secret"), "secret", 32),
    uik: cborItem.bytes(fields.get("uik"), "user identity key", 32),
    uikPrivate: uikPrivate === null ? null : cborItem.bytes(uikPrivate, "private key"),
    transfer: cborItem.text(fields.get("transfer"), "transfer identity", 256),
  };
}

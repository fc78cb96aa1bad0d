/** One device's wrap: the content key under HPKE, tied to that device, its key and the whole body. */
import { type Bytes, decodeHex, encodeCbor, encodeWrap, parseWrap } from "@sotto/schema";
import type { DeviceKeys } from "./device-keys.ts";
import { EnvelopeError } from "./errors.ts";
import { findKem, hpkeOpen, hpkeSeal } from "./hpke.ts";
import { type VerifiedDevice, findSealingKey } from "./key-bundle.ts";

/** Names the device as text: devices of other clients may have any id. */
function wrapAad(recipientDeviceId: string, kid: string, bodyHash: Bytes): Bytes {
  return encodeCbor([recipientDeviceId, decodeHex(kid), bodyHash]);
}

export interface SealWrapInput {
  recipient: VerifiedDevice;
  sender: DeviceKeys;
  bodyHash: Bytes;
  now: number;
}

/**
 * Auth mode where one side is a bare key (e2ee §5.1), base mode otherwise.
 * Undefined when the recipient has no key that can be sealed to.
 */
export async function sealWrap(cek: Bytes, input: SealWrapInput): Promise<string | undefined> {
  const { recipient, sender, bodyHash, now } = input;
  const target = findSealingKey(recipient, now);
  if (target === undefined) return undefined;
  const { kid, kemId, publicKey } = target;
  const isBasic = recipient.kind === "bare" || sender.dik === null;
  const senderKey = isBasic ? sender.hpkeKeys.find((key) => key.kemId === kemId)?.pair : undefined;
  // Never base mode by accident: it would arrive without any proof of its sender.
  if (isBasic && senderKey === undefined) return undefined;
  const sealed = await hpkeSeal(cek, {
    kemId,
    recipientPublicKey: publicKey,
    aad: wrapAad(recipient.deviceId, kid, bodyHash),
    senderKey,
  });
  return sealed && encodeWrap({ kid, kemId, ...sealed });
}

export interface OpenWrapInput {
  keys: DeviceKeys;
  sender: VerifiedDevice;
  bodyHash: Bytes;
}

/** Throws `not_addressed`, `wrap_malformed`, `unsupported_kem`, `no_key`, `wrap_rejected`. */
export async function openWrap(wrap: string, { keys, sender, bodyHash }: OpenWrapInput): Promise<Bytes> {
  if (wrap === "") throw new EnvelopeError("not_addressed");
  const parts = parseWrap(wrap);
  if (parts === undefined) throw new EnvelopeError("wrap_malformed");
  const { kid, kemId } = parts;
  if (findKem(kemId) === undefined) throw new EnvelopeError("unsupported_kem");
  const recipientKey = keys.hpkeKeys.find((key) => key.kid === kid && key.kemId === kemId)?.pair;
  if (recipientKey === undefined) throw new EnvelopeError("no_key");
  const aad = wrapAad(keys.deviceId, kid, bodyHash);
  for (const senderPublicKey of senderKeys(sender, keys, kemId)) {
    const cek = await hpkeOpen(parts, { kemId, recipientKey, aad, senderPublicKey });
    if (cek?.length === 32) return cek;
  }
  throw new EnvelopeError("wrap_rejected");
}

/** In Auth mode any key of the sender's bundle may have sealed; in base mode the signature inside authenticates. */
function senderKeys(sender: VerifiedDevice, keys: DeviceKeys, kemId: number): (Bytes | undefined)[] {
  if (sender.kind === "bare") return [sender.publicKey];
  if (keys.dik !== null) return [undefined];
  return sender.bundle.keys.filter((key) => key.kemId === kemId).map((key) => key.publicKey);
}

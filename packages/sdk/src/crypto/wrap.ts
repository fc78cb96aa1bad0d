/** One device's wrap: the content key under HPKE, tied to that device, its key and the whole body. */
import { type Bytes, decodeHex, encodeCbor, encodeWrap, parseWrap } from "@sotto/schema";
import type { DeviceKeys } from "./device-keys.ts";
import { EnvelopeError } from "./errors.ts";
import { hpkeOpen, hpkeSeal } from "./hpke.ts";
import { type KemName, findKem } from "./kems.ts";
import { type VerifiedDevice, type VerifiedSender, findSealingKey } from "./key-bundle.ts";
import type { KeyPair } from "./primitives.ts";

/** Names the device as text: devices of other clients may have any id. */
function wrapAad(recipientDeviceId: string, kid: string, bodyHash: Bytes): Bytes {
  return encodeCbor([recipientDeviceId, decodeHex(kid), bodyHash]);
}

export interface SealWrapInput {
  kemId: number;
  recipient: VerifiedDevice;
  sender: DeviceKeys;
  bodyHash: Bytes;
  now: number;
}

/**
 * Auth mode where one side is a bare key (e2ee §5.1), base mode otherwise.
 * Undefined when the recipient has no key of this KEM that can be sealed to.
 */
export async function sealWrap(cek: Bytes, input: SealWrapInput): Promise<string | undefined> {
  const { kemId, recipient, sender, bodyHash, now } = input;
  const target = findSealingKey(recipient, { kemId, now });
  if (target === undefined) return undefined;
  const { kid, publicKey } = target;
  const isBasic = recipient.kind === "bare" || sender.dik === null;
  const senderKey = isBasic ? findAuthKey(sender, kemId) : undefined;
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

function findAuthKey(sender: DeviceKeys, kemId: number): KeyPair | undefined {
  const pair = sender.hpkeKeys.find((key) => key.kemId === kemId)?.pair;
  return pair && !("seed" in pair) ? pair : undefined;
}

export interface OpenWrapInput {
  keys: DeviceKeys;
  sender: VerifiedSender;
  bodyHash: Bytes;
}

export interface OpenedWrap {
  cek: Bytes;
  kem: KemName;
}

/** Throws `not_addressed`, `wrap_malformed`, `unsupported_kem`, `no_key`, `wrap_rejected`. */
export async function openWrap(wrap: string, { keys, sender, bodyHash }: OpenWrapInput): Promise<OpenedWrap> {
  if (wrap === "") throw new EnvelopeError("not_addressed");
  const parts = parseWrap(wrap);
  if (parts === undefined) throw new EnvelopeError("wrap_malformed");
  const { kid, kemId } = parts;
  const kem = findKem(kemId)?.name;
  if (kem === undefined) throw new EnvelopeError("unsupported_kem");
  const recipientKey = keys.hpkeKeys.find((key) => key.kid === kid && key.kemId === kemId)?.pair;
  if (recipientKey === undefined) throw new EnvelopeError("no_key");
  const aad = wrapAad(keys.deviceId, kid, bodyHash);
  for (const senderPublicKey of senderKeys(sender, keys, kemId)) {
    const cek = await hpkeOpen(parts, { kemId, recipientKey, aad, senderPublicKey });
    if (cek?.length === 32) return { cek, kem };
  }
  throw new EnvelopeError("wrap_rejected");
}

/** In Auth mode any key of the sender's bundle may have sealed; in base mode the signature inside authenticates. */
function senderKeys(sender: VerifiedSender, keys: DeviceKeys, kemId: number): (Bytes | undefined)[] {
  if (sender.kind === "bare") return [sender.publicKey];
  if (keys.dik !== null) return [undefined];
  if (sender.kind === "listed") return [];
  return sender.bundle.keys.filter((key) => key.kemId === kemId).map((key) => key.publicKey);
}

/** HPKE (RFC 9180) around a content key. */
import type { Bytes } from "@sotto/schema";
import { type HpkeKeyPair, findKem, toSuiteKeyPair } from "./kems.ts";
import type { KeyPair } from "./primitives.ts";

const info = new TextEncoder().encode("sealed/v1");

export interface SealedKey {
  enc: Bytes;
  sealedCek: Bytes;
}

export interface HpkeSealInput {
  kemId: number;
  recipientPublicKey: Bytes;
  aad: Bytes;
  /** Given: Auth mode (RFC 9180 §5.1.3), which proves this key to the recipient. */
  senderKey: KeyPair | undefined;
}

/** Seals a content key. Undefined when the recipient's key is no usable public key, or the KEM has no Auth mode. */
export async function hpkeSeal(cek: Bytes, input: HpkeSealInput): Promise<SealedKey | undefined> {
  const { kemId, recipientPublicKey, aad, senderKey } = input;
  const kem = findKem(kemId);
  if (recipientPublicKey.length !== kem?.publicKeyLength) return undefined;
  if (senderKey && !kem.hasAuthMode) return undefined;
  try {
    const publicKey = await kem.suite.kem.deserializePublicKey(recipientPublicKey);
    const sender = senderKey && {
      senderKey: { privateKey: senderKey.privateKey, publicKey: senderKey.publicKey },
    };
    const { enc, ct } = await kem.suite.seal({ recipientPublicKey: publicKey, info, ...sender }, cek, aad);
    return { enc: new Uint8Array(enc), sealedCek: new Uint8Array(ct) };
  } catch {
    // A point of low order, whose shared secret would be zero; or no ML-KEM key (FIPS 203 §7.2).
    return undefined;
  }
}

export interface HpkeOpenInput {
  kemId: number;
  recipientKey: HpkeKeyPair;
  aad: Bytes;
  /** Given: Auth mode; opens only what the owner of this key sealed. */
  senderPublicKey: Bytes | undefined;
}

/** Opens a content key. Undefined when key, sender, aad and sealed bytes do not belong together. */
export async function hpkeOpen(
  { enc, sealedCek }: SealedKey,
  input: HpkeOpenInput,
): Promise<Bytes | undefined> {
  const { kemId, recipientKey, aad, senderPublicKey } = input;
  const kem = findKem(kemId);
  if (enc.length !== kem?.encLength) return undefined;
  if (senderPublicKey && !kem.hasAuthMode) return undefined;
  try {
    const sender = senderPublicKey && {
      senderPublicKey: await kem.suite.kem.deserializePublicKey(senderPublicKey),
    };
    const pair = await toSuiteKeyPair(recipientKey);
    const cek = await kem.suite.open({ recipientKey: pair, enc, info, ...sender }, sealedCek, aad);
    return new Uint8Array(cek);
  } catch {
    return undefined;
  }
}

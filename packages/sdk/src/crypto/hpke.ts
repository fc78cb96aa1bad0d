/** HPKE (RFC 9180) around a content key. */
import { openXWing, sealXWing } from "#x-wing";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import type { Bytes } from "@sotto/schema";
import { type HpkeKeyPair, findKem } from "./kems.ts";
import type { KeyPair } from "./primitives.ts";

const info = new TextEncoder().encode("sealed/v1");
/**
 * AES-256-GCM under both KEMs: WebCrypto has it everywhere (Node 20 has no ChaCha20-Poly1305), so the message stands on
 * one cipher, and its nonce limits do not matter where every context seals exactly once.
 */
const x25519 = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

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
    if (kem.name === "x-wing") {
      const { enc, ciphertext } = await sealXWing(recipientPublicKey, cek, { info, aad });
      return { enc, sealedCek: ciphertext };
    }
    const publicKey = await x25519.kem.deserializePublicKey(recipientPublicKey);
    const sender = senderKey && {
      senderKey: { privateKey: senderKey.privateKey, publicKey: senderKey.publicKey },
    };
    const { enc, ct } = await x25519.seal({ recipientPublicKey: publicKey, info, ...sender }, cek, aad);
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
    if ("seed" in recipientKey) {
      return await openXWing(recipientKey, { enc, ciphertext: sealedCek }, { info, aad });
    }
    const sender = senderPublicKey && {
      senderPublicKey: await x25519.kem.deserializePublicKey(senderPublicKey),
    };
    const { privateKey, publicKey } = recipientKey;
    const recipient = { privateKey, publicKey };
    const cek = await x25519.open({ recipientKey: recipient, enc, info, ...sender }, sealedCek, aad);
    return new Uint8Array(cek);
  } catch {
    return undefined;
  }
}

/**
 * HPKE (RFC 9180) around a content key. One row of `kems` is one way to reach a device.
 * AEAD is AES-256-GCM: WebCrypto has it everywhere (Node 20 has no ChaCha20-Poly1305), so the message stands on one
 * cipher, and its nonce limits do not matter where every context seals exactly once.
 */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import type { Bytes } from "@sotto/schema";
import { type Curve, type KeyPair } from "./primitives.ts";

const info = new TextEncoder().encode("sealed/v1");

interface Kem {
  curve: Curve;
  publicKeyLength: number;
  encLength: number;
  suite: CipherSuite;
}

/** DHKEM(X25519, HKDF-SHA256), RFC 9180 §7.1. */
export const x25519KemId = 0x0020;

const makeX25519 = (): Kem => ({
  curve: "X25519",
  publicKeyLength: 32,
  encLength: 32,
  suite: new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() }),
});

const kems: ReadonlyMap<number, () => Kem> = new Map([[x25519KemId, makeX25519]]);
const madeKems = new Map<number, Kem>();

/** The KEM of a registry id; undefined when this version does not know it. */
export function findKem(kemId: number): Kem | undefined {
  const kem = madeKems.get(kemId) ?? kems.get(kemId)?.();
  if (kem) madeKems.set(kemId, kem);
  return kem;
}

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

/** Seals a content key. Undefined when the recipient's key is no usable public key. */
export async function hpkeSeal(cek: Bytes, input: HpkeSealInput): Promise<SealedKey | undefined> {
  const { kemId, recipientPublicKey, aad, senderKey } = input;
  const kem = findKem(kemId);
  if (recipientPublicKey.length !== kem?.publicKeyLength) return undefined;
  try {
    const publicKey = await kem.suite.kem.deserializePublicKey(recipientPublicKey);
    const sender = senderKey && {
      senderKey: { privateKey: senderKey.privateKey, publicKey: senderKey.publicKey },
    };
    const { enc, ct } = await kem.suite.seal({ recipientPublicKey: publicKey, info, ...sender }, cek, aad);
    return { enc: new Uint8Array(enc), sealedCek: new Uint8Array(ct) };
  } catch {
    // A point of low order: the shared secret would be zero.
    return undefined;
  }
}

export interface HpkeOpenInput {
  kemId: number;
  recipientKey: KeyPair;
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
  try {
    const sender = senderPublicKey && {
      senderPublicKey: await kem.suite.kem.deserializePublicKey(senderPublicKey),
    };
    const pair = { privateKey: recipientKey.privateKey, publicKey: recipientKey.publicKey };
    const cek = await kem.suite.open({ recipientKey: pair, enc, info, ...sender }, sealedCek, aad);
    return new Uint8Array(cek);
  } catch {
    return undefined;
  }
}

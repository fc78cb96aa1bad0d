/** The KEMs that a content key can be sealed with, and their keys. One row of `kems` is one way to reach a device. */
import { derivePublicKey } from "#x-wing";
import { type Bytes, SealedFormatError, cborItem } from "@sotto/schema";
import { type KeyPair, exportPrivateKey, generateKeyPair, importKeyPair, randomBytes } from "./primitives.ts";

/** DHKEM(X25519, HKDF-SHA256), RFC 9180 §7.1. */
export const x25519KemId = 0x0020;
/** ML-KEM-768 and X25519 in one (draft-connolly-cfrg-xwing-kem): holds as long as either does. */
export const xWingKemId = 0x647a;

/** `x-wing` also resists quantum computers, `x25519` does not. */
export type KemName = "x25519" | "x-wing";

/**
 * X-Wing's private key is a seed of 32 bytes and no `CryptoKey`: WebCrypto does not know X-Wing. Whoever can read the
 * object can read the seed, so it must be encrypted at rest; {@link wipeSeeds} overwrites it in memory.
 */
export interface SeedKeyPair {
  seed: Bytes;
  publicKeyBytes: Bytes;
}

/** A pair that messages are sealed to: X25519 of WebCrypto, or the seed of X-Wing. */
export type HpkeKeyPair = KeyPair | SeedKeyPair;

interface Kem {
  name: KemName;
  publicKeyLength: number;
  encLength: number;
  /** Can prove a sender's key (RFC 9180 §5.1.3). */
  hasAuthMode: boolean;
}

const kems: ReadonlyMap<number, Kem> = new Map([
  [x25519KemId, { name: "x25519", publicKeyLength: 32, encLength: 32, hasAuthMode: true }],
  [xWingKemId, { name: "x-wing", publicKeyLength: 1216, encLength: 1120, hasAuthMode: false }],
]);

/** The KEM of a registry id; undefined when this version does not know it. */
export const findKem = (kemId: number): Kem | undefined => kems.get(kemId);

/** A new X25519 key. Not extractable: it can be kept in IndexedDB, but never read out. */
export async function generateX25519(extractable: boolean): Promise<KeyPair> {
  return generateKeyPair("X25519", extractable);
}

/** A new X-Wing key, or the one of a seed. */
export async function generateXWing(seed: Bytes = randomBytes(32)): Promise<SeedKeyPair> {
  return { seed, publicKeyBytes: await derivePublicKey(seed) };
}

/** PKCS #8 of an X25519 key, the seed of an X-Wing key. Throws when the key is not extractable. */
export async function exportHpkePrivateKey(pair: HpkeKeyPair): Promise<Bytes> {
  return "seed" in pair ? pair.seed.slice() : exportPrivateKey(pair.privateKey);
}

export interface ImportHpkeKeyInput {
  /** As {@link exportHpkePrivateKey} gave it. */
  privateKey: Bytes;
  publicKeyBytes: Bytes;
  extractable: boolean;
}

/** Throws `SealedFormatError` when these are not the keys of a KEM that this version knows. */
export async function importHpkeKeyPair(kemId: number, input: ImportHpkeKeyInput): Promise<HpkeKeyPair> {
  const { privateKey, extractable } = input;
  const kem = findKem(kemId);
  if (kem === undefined) throw new SealedFormatError("bad_shape", "unknown KEM");
  const publicKeyBytes = cborItem.bytes(input.publicKeyBytes, "HPKE public key", kem.publicKeyLength);
  switch (kem.name) {
    case "x25519":
      return importKeyPair("X25519", { pkcs8: privateKey, publicKeyBytes, extractable });
    case "x-wing":
      return { seed: cborItem.bytes(privateKey, "X-Wing seed", 32), publicKeyBytes };
  }
}

/** Overwrites X-Wing seeds that nobody needs any more; X25519's private keys are out of JavaScript's reach. */
export function wipeSeeds(pairs: readonly HpkeKeyPair[]): void {
  for (const pair of pairs) if ("seed" in pair) pair.seed.fill(0);
}

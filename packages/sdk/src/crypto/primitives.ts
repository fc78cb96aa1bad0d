/**
 * The only module that calls AEAD, HKDF, SHA-2, Ed25519 and the random source, all of them WebCrypto's
 * (`crypto-stays-apart.node.test.ts`).
 * Randomness is not passed in: a random source that a caller can replace is a nonce-reuse waiting to happen.
 */
import type { Bytes } from "@sotto/schema";

const { subtle } = globalThis.crypto;

export function randomBytes(length: number): Bytes {
  return globalThis.crypto.getRandomValues(new Uint8Array(length));
}

export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await subtle.digest("SHA-256", bytes));
}

export async function sha512(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await subtle.digest("SHA-512", bytes));
}

export interface HkdfInput {
  salt: Bytes;
  info: Bytes;
  /** Bytes to derive. */
  length: number;
}

/** HKDF-SHA256 (RFC 5869). */
export async function hkdfSha256(secret: Bytes, { salt, info, length }: HkdfInput): Promise<Bytes> {
  const key = await subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  return new Uint8Array(
    await subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, length * 8),
  );
}

/** A new AES-256-GCM key. Not extractable: it can be kept in IndexedDB, but never read out. */
export async function generateAesKey(): Promise<CryptoKey> {
  return subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

/** 32 bytes as a key that cannot be read out again. */
export async function importAesKey(key: Bytes): Promise<CryptoKey> {
  return subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** {@link importAesKey}, which overwrites the bytes: nobody else has use for them. */
export async function consumeAesKey(key: Bytes): Promise<CryptoKey> {
  try {
    return await importAesKey(key);
  } finally {
    key.fill(0);
  }
}

/** What Argon2id takes beside the passphrase, as WebCrypto names it. `memory` is in KiB. */
export interface Argon2idInput {
  nonce: Bytes;
  memory: number;
  passes: number;
  parallelism: number;
}

/** 32 bytes, made off the thread. Undefined where WebCrypto has no Argon2id: browsers so far, Node before 24.7. */
export async function argon2idNatively(passphrase: Bytes, input: Argon2idInput): Promise<Bytes | undefined> {
  // TypeScript knows neither this format nor the algorithm.
  const format: string = "raw-secret";
  const algorithm = { name: "Argon2id", ...input };
  try {
    const key = await subtle.importKey(format as "raw", passphrase, algorithm, false, ["deriveBits"]);
    return new Uint8Array(await subtle.deriveBits(algorithm, key, 256));
  } catch {
    return undefined;
  }
}

/** Everything of AES-256-GCM but the text. The pair of key and iv must never be used twice. */
export interface AeadInput {
  /** 32 bytes, or what {@link generateAesKey} and {@link importAesKey} give. */
  key: Bytes | CryptoKey;
  iv: Bytes;
  aad: Bytes;
}

export async function aesGcmSeal(plaintext: Bytes, { key, iv, aad }: AeadInput): Promise<Bytes> {
  const cryptoKey = key instanceof Uint8Array ? await importAesKey(key) : key;
  return new Uint8Array(
    await subtle.encrypt({ name: "AES-GCM", iv, additionalData: aad }, cryptoKey, plaintext),
  );
}

/** Undefined when key, iv, aad and ciphertext do not belong together. */
export async function aesGcmOpen(ciphertext: Bytes, { key, iv, aad }: AeadInput): Promise<Bytes | undefined> {
  const cryptoKey = key instanceof Uint8Array ? await importAesKey(key) : key;
  try {
    return new Uint8Array(
      await subtle.decrypt({ name: "AES-GCM", iv, additionalData: aad }, cryptoKey, ciphertext),
    );
  } catch {
    return undefined;
  }
}

export async function ed25519Sign(message: Bytes, privateKey: CryptoKey): Promise<Bytes> {
  return new Uint8Array(await subtle.sign("Ed25519", privateKey, message));
}

/** Of keys that are held; one is asked for with each message. */
const verifyingKeys = new WeakMap<Bytes, Promise<CryptoKey>>();

function importVerifyingKey(publicKey: Bytes): Promise<CryptoKey> {
  const key =
    verifyingKeys.get(publicKey) ?? subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
  verifyingKeys.set(publicKey, key);
  return key;
}

/** False also for bytes that are no public key. */
export async function ed25519Verify(message: Bytes, signature: Bytes, publicKey: Bytes): Promise<boolean> {
  try {
    return await subtle.verify("Ed25519", await importVerifyingKey(publicKey), signature, message);
  } catch {
    return false;
  }
}

/** Compares without telling by its time where the difference is (as far as JavaScript can). */
export function equalConstantTime(a: Bytes, b: Bytes): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (const [at, byte] of a.entries()) difference |= byte ^ (b[at] ?? 0);
  return difference === 0;
}

/** A private key with its public one, as WebCrypto holds it and as its raw public bytes. */
export interface KeyPair {
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  publicKeyBytes: Bytes;
}

const keyUses = { Ed25519: ["sign"], X25519: ["deriveBits"] } as const;
const publicUses = { Ed25519: ["verify"], X25519: [] } as const;
export type Curve = keyof typeof keyUses;

/** A new key pair. Not extractable: it can be kept in IndexedDB, but never read out. */
export async function generateKeyPair(curve: Curve, extractable: boolean): Promise<KeyPair> {
  const pair = await subtle.generateKey(curve, extractable, [...keyUses[curve], ...publicUses[curve]]);
  if (!("privateKey" in pair)) throw new TypeError(`${curve} gave no key pair`);
  const publicKeyBytes = new Uint8Array(await subtle.exportKey("raw", pair.publicKey));
  return { privateKey: pair.privateKey, publicKey: pair.publicKey, publicKeyBytes };
}

/** PKCS #8 of a private key. Throws when the key is not extractable. */
export async function exportPrivateKey(key: CryptoKey): Promise<Bytes> {
  return new Uint8Array(await subtle.exportKey("pkcs8", key));
}

export interface ImportKeyInput {
  pkcs8: Bytes;
  publicKeyBytes: Bytes;
  extractable: boolean;
}

export async function importPublicKey(curve: Curve, publicKeyBytes: Bytes): Promise<CryptoKey> {
  return subtle.importKey("raw", publicKeyBytes, curve, true, [...publicUses[curve]]);
}

export async function importKeyPair(curve: Curve, input: ImportKeyInput): Promise<KeyPair> {
  const { pkcs8, publicKeyBytes, extractable } = input;
  const [privateKey, publicKey] = await Promise.all([
    subtle.importKey("pkcs8", pkcs8, curve, extractable, [...keyUses[curve]]),
    importPublicKey(curve, publicKeyBytes),
  ]);
  return { privateKey, publicKey, publicKeyBytes };
}

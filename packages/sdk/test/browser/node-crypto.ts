/**
 * What tests take from `node:crypto`, for the browser: by @noble, so that the oracle stays independent of WebCrypto. A
 * test that needs more of it adds it here.
 */
import { gcm } from "@noble/ciphers/aes.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { shake128 } from "@noble/hashes/sha3.js";
import { Buffer } from "buffer";

type Data = string | Uint8Array;

const toBytes = (data: Data, encoding: BufferEncoding = "utf8"): Uint8Array =>
  typeof data === "string" ? Uint8Array.from(Buffer.from(data, encoding)) : data;

/** Gathers what comes piece by piece. */
function gathering(finish: (data: Uint8Array) => Uint8Array) {
  const pieces: Uint8Array[] = [];
  const gatherer = {
    update(data: Data, encoding?: BufferEncoding) {
      pieces.push(toBytes(data, encoding));
      return gatherer;
    },
    digest(encoding?: BufferEncoding) {
      const digest = Buffer.from(finish(Uint8Array.from(Buffer.concat(pieces))));
      return encoding ? digest.toString(encoding) : digest;
    },
  };
  return gatherer;
}

function hashOf(algorithm: string) {
  if (algorithm === "sha256") return sha256;
  if (algorithm === "sha512") return sha512;
  throw new Error(`no ${algorithm} in test/browser/node-crypto.ts`);
}

export const randomUUID = () => crypto.randomUUID();
export const randomBytes = (length: number) => Buffer.from(crypto.getRandomValues(new Uint8Array(length)));

export function createHash(algorithm: string, { outputLength }: { outputLength?: number } = {}) {
  if (algorithm === "shake128") return gathering((data) => shake128(data, { dkLen: outputLength ?? 16 }));
  return gathering(hashOf(algorithm));
}

export function createHmac(algorithm: string, key: Uint8Array) {
  return gathering((data) => hmac(hashOf(algorithm), key, data));
}

/** In the order of `node:crypto`. */
export function hkdfSync(algorithm: string, ...[key, salt, info, length]: [Data, Data, Data, number]) {
  const derived = hkdf(hashOf(algorithm), toBytes(key), toBytes(salt), toBytes(info), length);
  return Uint8Array.from(derived).buffer;
}

export function createPublicKey({ key }: { key: { x: string } }): Uint8Array {
  return Uint8Array.from(Buffer.from(key.x.replaceAll("-", "+").replaceAll("_", "/"), "base64"));
}

export function verify(_: null, ...[data, key, signature]: [Uint8Array, Uint8Array, Uint8Array]): boolean {
  return ed25519.verify(signature, data, key);
}

export function createDecipheriv(_: "aes-256-gcm", key: Uint8Array, iv: Uint8Array) {
  let [aad, tag] = [new Uint8Array(), new Uint8Array()];
  const pieces: Uint8Array[] = [];
  const decipher = {
    setAAD(data: Uint8Array<ArrayBuffer>) {
      aad = data;
      return decipher;
    },
    setAuthTag(data: Uint8Array<ArrayBuffer>) {
      tag = data;
      return decipher;
    },
    update(data: Uint8Array) {
      pieces.push(data);
      return new Uint8Array();
    },
    final: () => gcm(Uint8Array.from(key), iv, aad).decrypt(Uint8Array.from(Buffer.concat([...pieces, tag]))),
  };
  return decipher;
}

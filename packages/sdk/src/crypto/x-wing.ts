/**
 * X-Wing (draft-connolly-cfrg-xwing-kem) with HPKE around it, in JavaScript: WebCrypto does not know it. Import it from
 * `#x-wing`: in Node that is `x-wing.node.ts`, in browsers what the build makes of this file (`slim/x-wing.ts`).
 */
import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import type { Bytes } from "@sotto/schema";
import type { SeedKeyPair } from "./kems.ts";

interface Context {
  info: Bytes;
  aad: Bytes;
}

interface Sealed {
  enc: Bytes;
  ciphertext: Bytes;
}

const kem = new XWing();
const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Aes256Gcm() });

/** The public key of a seed of 32 bytes. */
export async function derivePublicKey(seed: Bytes): Promise<Bytes> {
  const { publicKey } = await kem.generateKeyPairDerand(seed);
  return new Uint8Array(await kem.serializePublicKey(publicKey));
}

/** HPKE's base mode. Throws when the public key is none of ML-KEM's (FIPS 203 §7.2). */
export async function sealXWing(
  publicKeyBytes: Bytes,
  plaintext: Bytes,
  { info, aad }: Context,
): Promise<Sealed> {
  const recipientPublicKey = await kem.deserializePublicKey(publicKeyBytes);
  const { enc, ct } = await suite.seal({ recipientPublicKey, info }, plaintext, aad);
  return { enc: new Uint8Array(enc), ciphertext: new Uint8Array(ct) };
}

/** HPKE's base mode. Throws when key, context and ciphertext do not belong together. */
export async function openXWing(
  { seed, publicKeyBytes }: SeedKeyPair,
  { enc, ciphertext }: Sealed,
  { info, aad }: Context,
): Promise<Bytes> {
  const [privateKey, publicKey] = await Promise.all([
    kem.deserializePrivateKey(seed),
    kem.deserializePublicKey(publicKeyBytes),
  ]);
  const recipientKey = { privateKey, publicKey };
  return new Uint8Array(await suite.open({ recipientKey, enc, info }, ciphertext, aad));
}

/**
 * `x-wing.ts` on Node's own ML-KEM and X25519, which Node has from 24.7 on; where it has not, that file's. The same bytes
 * for a quarter of the time (docs/adr/0020-x-wing-of-the-platform.md).
 */
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_MLKEM768_X25519, type Key } from "hpke";
import type { Bytes } from "@sotto/schema";
import type { SeedKeyPair } from "./kems.ts";
import * as portable from "./x-wing.ts";

export { derivePublicKey } from "./x-wing.ts";

const suite = new CipherSuite(KEM_MLKEM768_X25519, KDF_HKDF_SHA256, AEAD_AES_256_GCM);
let probed: Promise<boolean> | undefined;
/** A seed has to be expanded before it opens anything, which takes as long as the opening. */
const privateKeys = new WeakMap<SeedKeyPair, Promise<Key>>();

const sealNatively: typeof portable.sealXWing = async (publicKey, plaintext, context) => {
  const recipient = await suite.DeserializePublicKey(publicKey);
  const { encapsulatedSecret, ciphertext } = await suite.Seal(recipient, plaintext, context);
  return { enc: new Uint8Array(encapsulatedSecret), ciphertext: new Uint8Array(ciphertext) };
};

const openNatively: typeof portable.openXWing = async (pair, { enc, ciphertext }, context) => {
  const privateKey = privateKeys.get(pair) ?? suite.DeserializePrivateKey(pair.seed);
  privateKeys.set(pair, privateKey);
  // Not a copy: the caller overwrites it, and a copy would stay.
  return (await suite.Open(await privateKey, enc, ciphertext, context)) as Bytes;
};

/** Whether this machine can: its Node may be too old, or be built on an OpenSSL that is. */
export async function isNative(): Promise<boolean> {
  probed ??= suite.GenerateKeyPair().then(
    async ({ publicKey }) => (await suite.Seal(publicKey, new Uint8Array())).ciphertext.length > 0,
    () => false,
  );
  return probed;
}

/** {@link portable.sealXWing} */
export const sealXWing: typeof portable.sealXWing = async (...input) =>
  ((await isNative()) ? sealNatively : portable.sealXWing)(...input);
/** {@link portable.openXWing} */
export const openXWing: typeof portable.openXWing = async (...input) =>
  ((await isNative()) ? openNatively : portable.openXWing)(...input);

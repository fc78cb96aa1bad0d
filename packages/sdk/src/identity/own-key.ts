import type { Bytes } from "@sotto/schema";
import * as z from "zod/mini";
import {
  type KeyPair,
  ed25519Sign,
  ed25519Verify,
  exportPrivateKey,
  generateKeyPair,
  importKeyPair,
} from "../crypto/primitives.ts";
import { bytes } from "../storage/bytes.ts";
import { defineRecord } from "../storage/records.ts";

const ownKey = z.object({
  uik: bytes,
  /** PKCS #8; null where another device has approved this one without the right to sign. */
  uikPrivate: z.nullable(bytes),
  /** The age identity that histories for this device are encrypted to. */
  transfer: z.nullable(z.string()),
  /** This device made it by itself, as no other one was in the user's list: the user has not asked for it. */
  isProvisional: z.optional(z.boolean()),
});

/** The user's identity key as this device has it. It can be exported, since linking and backup hand it on. */
export const ownKeyRecord = defineRecord("identity-key", ownKey);
/** The one that takes its place once a list under it is published: it may be, though nobody has heard so. */
export const nextKeyRecord = defineRecord("next-identity-key", ownKey);
/** The secret of this device's link code, until the device is linked, be it by that code or by another way. */
export const linkRecord = defineRecord("link", z.object({ secret: bytes }));
export type OwnKey = z.output<typeof ownKeyRecord.schema>;

export async function generateOwnKey(): Promise<OwnKey> {
  const { privateKey, publicKeyBytes } = await generateKeyPair("Ed25519", true);
  return { uik: publicKeyBytes, uikPrivate: await exportPrivateKey(privateKey), transfer: null };
}

/** For signing; undefined where this device may not. */
export async function signingPairOf({ uik, uikPrivate }: OwnKey): Promise<KeyPair | undefined> {
  if (!uikPrivate) return undefined;
  return importKeyPair("Ed25519", { pkcs8: uikPrivate, publicKeyBytes: uik, extractable: false });
}

/** Whether the private key is the one of the public key. */
export async function isPair(uik: Bytes, uikPrivate: Bytes): Promise<boolean> {
  try {
    const pair = await importKeyPair("Ed25519", {
      pkcs8: uikPrivate,
      publicKeyBytes: uik,
      extractable: false,
    });
    const probe = new Uint8Array(32);
    return await ed25519Verify(probe, await ed25519Sign(probe, pair.privateKey), uik);
  } catch {
    return false;
  }
}

import { generateX25519Identity, identityToRecipient } from "age-encryption";

/** An age key pair: what is encrypted to `recipient` opens with `identity`. */
export interface AgeKeys {
  /** `AGE-SECRET-KEY-1…`, secret. */
  identity: string;
  /** `age1…` */
  recipient: string;
}

export async function generateAgeKeys(): Promise<AgeKeys> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

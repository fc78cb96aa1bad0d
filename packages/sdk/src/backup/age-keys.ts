import { loadAge } from "../parts/load-part.ts";

/** An age key pair: what is encrypted to `recipient` opens with `identity`. */
export interface AgeKeys {
  /** `AGE-SECRET-KEY-1…`, secret. */
  identity: string;
  /** `age1…` */
  recipient: string;
}

export async function generateAgeKeys(): Promise<AgeKeys> {
  const age = await loadAge();
  const identity = await age.generateX25519Identity();
  return { identity, recipient: await age.identityToRecipient(identity) };
}

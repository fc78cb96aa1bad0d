import {
  SealedFormatError,
  cborItem,
  decodeCappedBase64url,
  decodeCbor,
  encodeBase64url,
  encodeCbor,
} from "@sotto/schema";
import {
  type Argon2idParameters,
  argon2idKey,
  encodeArgon2idParameters,
  newArgon2idParameters,
  parseArgon2idParameters,
} from "../crypto/argon2id.ts";
import { aesGcmOpen, aesGcmSeal, randomBytes } from "../crypto/primitives.ts";
import { SottoError, invalidInput } from "../errors.ts";
import { loadAge } from "../parts/load-part.ts";
import { type AgeKeys, generateAgeKeys } from "./age-keys.ts";

/** What stands before the 58 characters of an age identity: 32 bytes and a checksum, as Bech32. */
const agePrefix = "AGE-SECRET-KEY-1";
const wrapPrefix = "sotto-backup-key:1.";
const tag = "backup/v1";
const maxBytes = 512;

interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** A new recovery key as it is shown: ten groups of characters, of which the last six are a checksum. */
export async function generateRecoveryKey(): Promise<string> {
  return showRecoveryKey((await generateAgeKeys()).identity);
}

export function showRecoveryKey(identity: string): string {
  return (
    identity
      .slice(agePrefix.length)
      .match(/.{1,6}/g)
      ?.join("-") ?? ""
  );
}

/** Spaces, hyphens, letters' case and the age prefix do not matter. Throws `RECOVERY_KEY_INVALID` for a mistyped one. */
export async function readRecoveryKey(text: string): Promise<AgeKeys> {
  const characters = text.toUpperCase().replaceAll(/[\s-]/g, "");
  const identity = agePrefix + characters.replace(/^AGESECRETKEY1/, "");
  const age = await loadAge();
  try {
    return { identity, recipient: await age.identityToRecipient(identity) };
  } catch (cause) {
    throw new SottoError("RECOVERY_KEY_INVALID", { cause });
  }
}

const headerOf = (parameters: Argon2idParameters) => {
  const [, ...numbers] = encodeArgon2idParameters(parameters);
  return [tag, "argon2id", ...numbers] as const;
};

/**
 * The recovery key encrypted with a passphrase: base64url(CBOR ["backup/v1", "argon2id", m, t, p, salt, iv, ct]) after a
 * prefix. Argon2id with 64 MiB, 3 passes, 1 lane; AES-256-GCM whose associated data are the items before `ct`.
 */
export async function wrapRecoveryKey(
  recoveryKey: string,
  passphrase: string,
  { signal }: CallOptions = {},
): Promise<string> {
  if (passphrase === "") throw invalidInput("passphrase");
  const { identity } = await readRecoveryKey(recoveryKey);
  const parameters = newArgon2idParameters();
  const header = [...headerOf(parameters), randomBytes(12)] as const;
  const ct = await aesGcmSeal(new TextEncoder().encode(identity), {
    key: await argon2idKey(passphrase, parameters, signal),
    iv: header[6] as Uint8Array<ArrayBuffer>,
    aad: encodeCbor(header),
  });
  return wrapPrefix + encodeBase64url(encodeCbor([...header, ct]));
}

/**
 * Throws `WRONG_PASSPHRASE`, and `BACKUP_REFUSED` for what is no wrapped key (`malformed`) or asks for more memory or
 * time than one may (`parameters`).
 */
export async function unwrapRecoveryKey(
  wrapped: string,
  passphrase: string,
  { signal }: CallOptions = {},
): Promise<string> {
  const { parameters, iv, ct, aad } = parseWrapped(wrapped.trim());
  const key = await argon2idKey(passphrase, parameters, signal);
  const identity = await aesGcmOpen(ct, { key, iv, aad });
  if (!identity) throw new SottoError("WRONG_PASSPHRASE");
  return showRecoveryKey(new TextDecoder().decode(identity));
}

/**
 * The same recovery key under another passphrase. Nothing but the answer is made: keep the present one until the new one is
 * stored. Whoever has a copy of the present one, and its passphrase, still opens it. Throws as {@link unwrapRecoveryKey}.
 */
export async function rewrapRecoveryKey(
  wrapped: string,
  ...[present, next, options]: [present: string, next: string, options?: CallOptions]
): Promise<string> {
  if (next === "") throw invalidInput("passphrase");
  return wrapRecoveryKey(await unwrapRecoveryKey(wrapped, present, options), next, options);
}

function parseWrapped(wrapped: string) {
  const items = asRefusal("malformed", () => {
    if (!wrapped.startsWith(wrapPrefix)) throw new SealedFormatError("bad_shape", "no wrapped key");
    const bytes = decodeCappedBase64url(wrapped.slice(wrapPrefix.length), maxBytes);
    const [name, kdf, m, t, p, salt, iv, ct] = cborItem.array(decodeCbor(bytes, maxBytes), tag, 8);
    cborItem.literal(name, tag);
    const header = [name, kdf, m, t, p, salt, iv] as const;
    return {
      kdf: [kdf, m, t, p, salt],
      iv: cborItem.bytes(iv, "iv", 12),
      ct: cborItem.bytes(ct, "ct"),
      aad: encodeCbor(header),
    };
  });
  const parameters = asRefusal("parameters", () => parseArgon2idParameters(items.kdf));
  return { ...items, parameters };
}

function asRefusal<T>(reason: "malformed" | "parameters", parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SealedFormatError)) throw error;
    throw new SottoError("BACKUP_REFUSED", { details: { reason }, cause: error });
  }
}

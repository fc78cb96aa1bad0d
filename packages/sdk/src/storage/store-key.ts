/**
 * The key of an encrypted file: 32 random bytes, kept in the file's header encrypted with what its owner holds. So a
 * wrong passphrase shows at once, also in an empty file.
 */
import { type Bytes, SealedFormatError, cborItem, decodeCbor, encodeCbor } from "@sotto/schema";
import {
  type Argon2idParameters,
  argon2idKey,
  encodeArgon2idParameters,
  newArgon2idParameters,
  parseArgon2idParameters,
} from "../crypto/argon2id.ts";
import { aesGcmOpen, aesGcmSeal, consumeAesKey, importAesKey, randomBytes } from "../crypto/primitives.ts";
import { SottoError, invalidInput } from "../errors.ts";

/** What opens an encrypted store: a passphrase that somebody knows, or 32 bytes, as from the system's keychain. */
export type StoreSecret = { passphrase: string } | { key: Bytes };

const tag = "store-key/v1";
const maxHeaderBytes = 1024;
const ivLength = 12;

/** A new key, and the header that holds it. Throws `INVALID_INPUT` for an empty passphrase or a key of another length. */
export async function createStoreKey(
  secret: StoreSecret,
  signal?: AbortSignal,
): Promise<{ key: CryptoKey; header: Bytes }> {
  const parameters = "passphrase" in secret ? newArgon2idParameters() : undefined;
  const kdf = parameters ? encodeArgon2idParameters(parameters) : null;
  const [storeKey, iv] = [randomBytes(32), randomBytes(ivLength)];
  const sealed = await aesGcmSeal(storeKey, {
    key: await wrappingKey(secret, { parameters, signal }),
    iv,
    aad: encodeCbor([tag, kdf]),
  });
  return { key: await consumeAesKey(storeKey), header: encodeCbor([tag, kdf, iv, sealed]) };
}

/** Throws `WRONG_PASSPHRASE`, and `STORE_DAMAGED` for what is no header or asks for too much memory or time. */
export async function openStoreKey(
  header: Bytes,
  secret: StoreSecret,
  signal?: AbortSignal,
): Promise<CryptoKey> {
  const { kdf, parameters, iv, sealed } = parseHeader(header);
  const wrapping = await wrappingKey(secret, { parameters, signal });
  const storeKey = await aesGcmOpen(sealed, { key: wrapping, iv, aad: encodeCbor([tag, kdf]) });
  if (!storeKey) throw new SottoError("WRONG_PASSPHRASE");
  return consumeAesKey(storeKey);
}

function parseHeader(header: Bytes) {
  try {
    const [name, kdf, iv, sealed] = cborItem.array(decodeCbor(header, maxHeaderBytes), tag, 4);
    cborItem.literal(name, tag);
    return {
      kdf,
      parameters: kdf === null ? undefined : parseArgon2idParameters(kdf),
      iv: cborItem.bytes(iv, "iv", ivLength),
      sealed: cborItem.bytes(sealed, "key", 48),
    };
  } catch (error) {
    if (error instanceof SealedFormatError) throw new SottoError("STORE_DAMAGED", { cause: error });
    throw error;
  }
}

/** Parameters belong to a passphrase; a header made for the other kind of secret is not opened by this one. */
async function wrappingKey(
  secret: StoreSecret,
  { parameters, signal }: { parameters: Argon2idParameters | undefined; signal: AbortSignal | undefined },
): Promise<CryptoKey> {
  if ("key" in secret) {
    if (secret.key.length !== 32) throw invalidInput("key");
    if (parameters) throw new SottoError("WRONG_PASSPHRASE");
    // The application's own bytes: they stay as they are.
    return importAesKey(secret.key);
  }
  if (secret.passphrase === "") throw invalidInput("passphrase");
  if (!parameters) throw new SottoError("WRONG_PASSPHRASE");
  return argon2idKey(secret.passphrase, parameters, signal);
}

import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const saltBytes = 16;
/** OWASP's choice for Argon2id: 19 MiB, two passes. Another one needs a column that says which made a hash. */
const cost = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 };

export interface PinHash {
  salt: Buffer;
  hash: Buffer;
}

const runArgon2 = promisify(argon2);

/** Argon2id (RFC 9106) of a PIN, off the event loop; about 40 ms, so never while a row is locked. */
export async function hashPin(pin: string, salt: Buffer = randomBytes(saltBytes)): Promise<PinHash> {
  // Keyboards differ in how they write the same letter.
  const message = pin.normalize("NFKC");
  return { salt, hash: await runArgon2("argon2id", { message, nonce: salt, ...cost }) };
}

/** Undefined: the stored PIN was changed since `given` was made with its salt. */
export function isSamePin(given: PinHash, stored: PinHash): boolean | undefined {
  if (!given.salt.equals(stored.salt)) return undefined;
  return timingSafeEqual(given.hash, stored.hash);
}

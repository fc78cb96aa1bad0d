import { type Bytes, SealedFormatError, cborItem } from "@sotto/schema";
import { throwIfAborted } from "../errors.ts";
import { loadArgon2id } from "../parts/load-part.ts";
import { argon2idNatively, consumeAesKey, randomBytes } from "./primitives.ts";

/** What Argon2id (RFC 9106) makes of a passphrase, beside the passphrase. */
export interface Argon2idParameters {
  memoryKiB: number;
  iterations: number;
  parallelism: number;
  /** 16 bytes. */
  salt: Bytes;
}

const name = "argon2id";
/** RFC 9106 §4, the second recommended option, with one lane: JavaScript has no second thread for another. */
const chosen = { memoryKiB: 65_536, iterations: 3, parallelism: 1 };
/** What a file may ask for. More would be a way to take the memory or the time of whoever opens it. */
const most = { memoryKiB: 262_144, iterations: 16, parallelism: 4 };

/** The parameters for a new key, with a fresh salt: 64 MiB, three passes, about half a second. */
export function newArgon2idParameters(): Argon2idParameters {
  return { ...chosen, salt: randomBytes(16) };
}

/**
 * 32 bytes from a passphrase, whose Unicode form (NFKC, as NIST SP 800-63B §3.1.1.2 has it) does not matter. By WebCrypto
 * where it can; WebAssembly makes the same bytes as fast, but nothing else runs on the thread meanwhile.
 */
export async function argon2id(passphrase: string, parameters: Argon2idParameters): Promise<Bytes> {
  const { memoryKiB, iterations, parallelism, salt } = parameters;
  const password = new TextEncoder().encode(passphrase.normalize("NFKC"));
  try {
    const input = { nonce: salt, memory: memoryKiB, passes: iterations, parallelism };
    const native = await argon2idNatively(password, input);
    if (native) return native;
    const library = await loadArgon2id();
    const key = await library.argon2id({
      password,
      salt,
      memorySize: memoryKiB,
      iterations,
      parallelism,
      hashLength: 32,
      outputType: "binary",
    });
    return key as Bytes;
  } finally {
    password.fill(0);
  }
}

/**
 * What {@link argon2id} makes, as a key for AES-256-GCM: the bytes are not kept. It cannot be broken off; a signal that
 * aborts meanwhile keeps its caller from going on (`ABORTED`).
 */
export async function argon2idKey(
  passphrase: string,
  parameters: Argon2idParameters,
  signal?: AbortSignal,
): Promise<CryptoKey> {
  throwIfAborted(signal);
  const key = await consumeAesKey(await argon2id(passphrase, parameters));
  throwIfAborted(signal);
  return key;
}

/** For CBOR. */
export function encodeArgon2idParameters(parameters: Argon2idParameters): unknown[] {
  const { memoryKiB, iterations, parallelism, salt } = parameters;
  return [name, memoryKiB, iterations, parallelism, salt];
}

/** Throws `SealedFormatError` also when they ask for more memory or time than a file may. */
export function parseArgon2idParameters(value: unknown): Argon2idParameters {
  const [kdf, memory, passes, lanes, salt] = cborItem.array(value, name, 5);
  cborItem.literal(kdf, name);
  const parameters = {
    memoryKiB: cborItem.uint(memory, "memory"),
    iterations: cborItem.uint(passes, "iterations"),
    parallelism: cborItem.uint(lanes, "parallelism"),
    salt: cborItem.bytes(salt, "salt", 16),
  };
  const { memoryKiB, iterations, parallelism } = parameters;
  const isBounded =
    memoryKiB <= most.memoryKiB && iterations <= most.iterations && parallelism <= most.parallelism;
  const isUsable = iterations >= 1 && parallelism >= 1 && memoryKiB >= 8 * parallelism;
  if (!isBounded || !isUsable) throw new SealedFormatError("bad_shape", "Argon2id parameters out of bounds");
  return parameters;
}

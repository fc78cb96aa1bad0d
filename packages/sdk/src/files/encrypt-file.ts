import type { Bytes } from "@sotto/schema";
import { loadAge } from "../parts/load-part.ts";
import { type FileSource, readChunks, toStream } from "./bytes-streams.ts";
import { padFile } from "./file-padding.ts";

/** What a message says of a file's ciphertext, so that its reader can check and open it (e2ee §5.6). */
export interface FileSeal {
  /** `AGE-SECRET-KEY-1…`, for this file alone. Whoever has it reads the file. */
  ageIdentity: string;
  /** Of the ciphertext, in bytes. */
  ciphertextSize: number;
  /** SHA-256 of the ciphertext, 32 bytes. */
  ciphertextSha256: Bytes;
  /** Of the file itself, in bytes. */
  size: number;
}

/** A file's ciphertext, and what opens it. */
export interface EncryptedFile {
  /** The ciphertext, made as it is read. It is never the same twice: key and nonce are new with each call. */
  stream: ReadableStream<Uint8Array>;
  /** Resolves with the end of the stream; it stays pending when the stream breaks off. */
  seal: Promise<FileSeal>;
}

/**
 * Encrypts a file of any length as an age file (v1) to a new X25519 identity, with its length padded. Holds some chunks
 * of 64 KiB. Of a source that breaks off, the stream does too; then nothing names its identity. For files that go by
 * other ways than `conversation.sendFile`. Throws `NETWORK` where age cannot be fetched; the stream ends with `ABORTED`.
 *
 * @example
 * ```ts
 * const { stream, seal } = await encryptFile(new Blob(["secret"]));
 * const ciphertext = await new Response(stream).blob();
 * console.log(ciphertext.size, (await seal).ageIdentity);
 * ```
 */
export async function encryptFile(
  source: FileSource,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<EncryptedFile> {
  const age = await loadAge();
  const ageIdentity = await age.generateX25519Identity();
  const encrypter = new age.Encrypter();
  encrypter.addRecipient(await age.identityToRecipient(ageIdentity));
  let size = 0;
  const padded = padFile(readChunks(source, signal), (bytes) => {
    size = bytes;
  });
  const ciphertext = await encrypter.encrypt(toStream(padded));
  const sealed = Promise.withResolvers<FileSeal>();
  const hashed = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    const hash = age.sha256.create();
    let ciphertextSize = 0;
    for await (const chunk of readChunks(ciphertext)) {
      hash.update(chunk);
      ciphertextSize += chunk.length;
      yield chunk;
    }
    sealed.resolve({ ageIdentity, ciphertextSize, ciphertextSha256: new Uint8Array(hash.digest()), size });
  };
  return { stream: toStream(hashed()), seal: sealed.promise };
}

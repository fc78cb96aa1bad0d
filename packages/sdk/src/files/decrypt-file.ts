import { compareBytes } from "@sotto/schema";
import { SottoError } from "../errors.ts";
import { loadAge } from "../parts/load-part.ts";
import { type FileSource, readChunks, toStream } from "./bytes-streams.ts";
import type { FileSeal } from "./encrypt-file.ts";
import { paddedFileLength, unpadFile } from "./file-padding.ts";
import { type FileRejection, rejectFile } from "./file-rejection.ts";
import { HeaderWatch, maxHeaderBytes } from "./header-watch.ts";

const chunkBytes = 65_536;
const tagBytes = 16;
const nonceBytes = 16;

/**
 * Opens a ciphertext that a message names. Each chunk is given once it is authenticated; the last one, and with it the
 * end of the stream, only after size and SHA-256 of the whole ciphertext were found right. So what was read counts once
 * the stream has ended; until then it may be shown, not kept. Holds some chunks of 64 KiB.
 *
 * The stream breaks off with `FILE_REJECTED`, or with whatever the source threw, and with `ABORTED`.
 *
 * @example
 * ```ts
 * const { stream, seal } = await encryptFile(new Blob(["secret"]));
 * const ciphertext = await new Response(stream).blob();
 * console.log(await new Response(decryptFile(ciphertext, await seal)).text());
 * ```
 */
export function decryptFile(
  ciphertext: FileSource,
  seal: FileSeal,
  { signal }: { signal?: AbortSignal | undefined } = {},
): ReadableStream<Uint8Array> {
  return toStream(openChunks(readChunks(ciphertext, signal), seal));
}

async function* openChunks(
  ciphertext: AsyncIterable<Uint8Array>,
  seal: FileSeal,
): AsyncGenerator<Uint8Array, void, undefined> {
  requirePlausible(seal);
  const age = await loadAge();
  const decrypter = new age.Decrypter();
  if (!seal.ageIdentity.startsWith("AGE-SECRET-KEY-1")) throw rejectFile("identity_invalid");
  await orReject("identity_invalid", async () => decrypter.addIdentity(seal.ageIdentity));
  const checked = toStream(checkChunks(ciphertext, { ...seal, hash: age.sha256.create() }));
  const padded = await orReject("header_rejected", () => decrypter.decrypt(checked));
  const chunks = unpadFile(readChunks(padded), seal.size);
  try {
    for (;;) {
      const next = await orReject("chunk_rejected", () => chunks.next());
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await chunks.return();
  }
}

/** Refuses before anything is read what cannot become right. */
function requirePlausible({ size, ciphertextSize }: FileSeal): void {
  const padded = paddedFileLength(size);
  const leastBytes = padded + Math.ceil(padded / chunkBytes) * tagBytes + nonceBytes;
  if (ciphertextSize < leastBytes || ciphertextSize > leastBytes + maxHeaderBytes)
    throw rejectFile("wrong_size");
}

interface Checking extends FileSeal {
  /** A SHA-256 that has hashed nothing yet. */
  hash: { update(bytes: Uint8Array): unknown; digest(): Uint8Array };
}

/** Lets the ciphertext through, but not its end, unless all of it is what the message names. */
async function* checkChunks(
  chunks: AsyncIterable<Uint8Array>,
  { ciphertextSize, ciphertextSha256, hash }: Checking,
): AsyncGenerator<Uint8Array, void, undefined> {
  const header = new HeaderWatch();
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > ciphertextSize) throw rejectFile("wrong_size");
    if (!header.accepts(chunk)) throw rejectFile("header_rejected");
    hash.update(chunk);
    yield chunk;
  }
  if (size !== ciphertextSize) throw rejectFile("wrong_size");
  if (compareBytes(hash.digest(), ciphertextSha256) !== 0) throw rejectFile("wrong_hash");
}

/** The library's errors as ours. An error that went through it, such as the network's, stays what it is. */
async function orReject<T>(reason: FileRejection, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw error instanceof SottoError ? error : rejectFile(reason, error);
  }
}

/** Padding hides a file's length: zeros behind it, up to 4 KiB, then Padmé (e2ee §5.5). The envelope holds the length. */
import { padmeLength } from "../crypto/padding.ts";
import { rejectFile } from "./file-rejection.ts";

const minPaddedBytes = 4096;
const zeros = new Uint8Array(65_536);

export function paddedFileLength(length: number): number {
  return Math.max(minPaddedBytes, padmeLength(length));
}

/** The bytes with their padding; `onEnd` is told how many there were without it. */
export async function* padFile(
  chunks: AsyncIterable<Uint8Array>,
  onEnd: (size: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    yield chunk;
  }
  onEnd(size);
  for (let left = paddedFileLength(size) - size; left > 0; left -= zeros.length) {
    yield zeros.subarray(0, Math.min(left, zeros.length));
  }
}

/** The first `size` bytes. Throws `FILE_REJECTED` at the end of what is not padded exactly so. */
export async function* unpadFile(
  chunks: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0;
  for await (const chunk of chunks) {
    const ownBytes = Math.min(chunk.length, Math.max(0, size - at));
    at += chunk.length;
    if (chunk.subarray(ownBytes).some((byte) => byte !== 0)) throw rejectFile("padding_invalid");
    if (ownBytes > 0) yield chunk.subarray(0, ownBytes);
  }
  if (at !== paddedFileLength(size)) throw rejectFile("padding_invalid");
}

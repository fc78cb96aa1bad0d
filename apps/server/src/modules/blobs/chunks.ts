export const chunkBytes = 262_144;

/** The same bytes in pieces of exactly `sizeBytes`; the last may be shorter. */
export async function* inPieces(
  source: AsyncIterable<Uint8Array>,
  sizeBytes: number,
): AsyncGenerator<Buffer, void> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for await (const bytes of source) {
    pending.push(bytes);
    pendingBytes += bytes.length;
    if (pendingBytes < sizeBytes) continue;
    const joined = Buffer.concat(pending);
    let offset = 0;
    for (; joined.length - offset >= sizeBytes; offset += sizeBytes) {
      yield joined.subarray(offset, offset + sizeBytes);
    }
    pending = [joined.subarray(offset)];
    pendingBytes = joined.length - offset;
  }
  if (pendingBytes > 0) yield Buffer.concat(pending);
}

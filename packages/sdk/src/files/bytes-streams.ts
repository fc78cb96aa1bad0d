import { throwIfAborted } from "../errors.ts";
import type { Bytes } from "@sotto/schema";

/** Where a file's bytes come from; read once, from the beginning, no faster than they are taken. */
export type FileSource = Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** A source's bytes. Throws `ABORTED`, or the signal's own reason, when the signal aborts. */
export async function* readChunks(
  source: FileSource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = source instanceof Blob ? source.stream() : source;
  const chunks = "getReader" in stream ? readStream(stream, signal) : stream;
  for await (const chunk of chunks) {
    if (signal?.aborted) break;
    yield chunk;
  }
  throwIfAborted(signal);
}

/** Not every browser iterates over streams. An abort ends it, also while the stream gives nothing. */
async function* readStream(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = stream.getReader();
  const cancel = (): Promise<void> => reader.cancel().catch(() => {});
  const onAbort = (): void => void cancel();
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted) await cancel();
  let isDone = false;
  try {
    for (;;) {
      const next = await reader.read();
      isDone = next.done;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    if (!isDone) await cancel();
  }
}

/** Asks for a chunk when one is wanted, and not before. */
export function toStream(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream(
    {
      async pull(controller) {
        const next = await iterator.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The same bytes in pieces of one size; the last may be shorter. */
export async function* inPieces(
  chunks: AsyncIterable<Uint8Array>,
  pieceBytes: number,
): AsyncGenerator<Bytes, void, undefined> {
  let piece = new Uint8Array(pieceBytes);
  let used = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const taken = Math.min(pieceBytes - used, chunk.length - at);
      piece.set(chunk.subarray(at, at + taken), used);
      at += taken;
      used += taken;
      if (used < pieceBytes) continue;
      yield piece;
      piece = new Uint8Array(pieceBytes);
      used = 0;
    }
  }
  if (used > 0) yield piece.slice(0, used);
}

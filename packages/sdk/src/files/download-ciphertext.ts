import { backoffMs, sleep } from "../api/retry.ts";
import { toSottoError } from "../api/to-sotto-error.ts";
import { SottoError } from "../errors.ts";
import type { Session } from "../session.ts";
import { readChunks } from "./bytes-streams.ts";

/** A file is attached right after its message: so long it may be on its way. */
const missingForMs = 5_000;
/** Tries in a row that brought no byte. */
const maxIdleTries = 8;

/**
 * A ciphertext as the server has it, read no faster than it is taken. A cut download goes on where it was.
 * Throws `ATTACHMENT_NOT_FOUND`, `ABORTED`, after some tries `NETWORK`.
 */
export async function* downloadCiphertext(
  session: Session,
  blobId: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const missingUntil = performance.now() + missingForMs;
  let received = 0;
  for (let idleTries = 0; ; idleTries++) {
    try {
      for await (const chunk of openFrom(session, { blobId, received, signal })) {
        received += chunk.length;
        idleTries = 0;
        yield chunk;
      }
      return;
    } catch (error) {
      if (signal.aborted || !(error instanceof SottoError)) throw error;
      const isOnTheWay = error.code === "ATTACHMENT_NOT_FOUND" && performance.now() < missingUntil;
      if (!isOnTheWay && (error.retry !== "later" || idleTries >= maxIdleTries)) throw error;
      await sleep(backoffMs(Math.min(idleTries, 4)), signal);
    }
  }
}

async function* openFrom(
  { rest }: Session,
  { blobId, received, signal }: { blobId: string; received: number; signal: AbortSignal },
): AsyncGenerator<Uint8Array, void, undefined> {
  const path = `/messages/attachments/blob/${blobId}`;
  const headers: Record<string, string> = received > 0 ? { range: `bytes=${received}-` } : {};
  const response = await rest.request({ method: "GET", path, headers, signal });
  const isFromThere = response.headers.get("content-range")?.startsWith(`bytes ${received}-`) ?? false;
  if (received > 0 && !isFromThere) throw new SottoError("BAD_ANSWER");
  if (!response.body) return;
  const chunks = readChunks(response.body, signal);
  try {
    for (;;) {
      // Only what the network does is the network's fault: not what the reader throws.
      const next = await chunks.next().catch((cause: unknown) => {
        throw toSottoError(cause, signal);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await chunks.return();
  }
}

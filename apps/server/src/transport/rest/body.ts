import type { IncomingMessage } from "node:http";
import { AppError } from "../../errors.ts";
import type { UploadBody } from "../../pipeline/call.ts";
import { liftBodyDeadline } from "../body-deadline.ts";

/** Largest JSON body in bytes: a sealed message for 1024 devices fits. */
export const maxJsonBytes = 4 * 1_048_576;
/** No input of the contract is half as deep. */
const maxNesting = 16;
/** How long a client may send nothing. */
const maxStallMs = 30_000;
/** Slower than this, after the first seconds, holds a connection for nothing. */
const minBytesPerMs = 4;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads a JSON body; undefined for an empty one. Throws `PAYLOAD_TOO_LARGE` or `VALIDATION_FAILED`. */
export async function readJsonBody(request: IncomingMessage, maxBytes = maxJsonBytes): Promise<unknown> {
  const bytes = await readBytes(request, maxBytes);
  if (bytes.length === 0) return undefined;
  let body: unknown;
  try {
    body = JSON.parse(utf8.decode(bytes));
  } catch {
    throw refuseBody("The body is not JSON in UTF-8");
  }
  if (isDeeperThan(body, maxNesting)) throw refuseBody("The body nests too deep");
  return body;
}

/**
 * The raw body, read no faster than it is taken. It may take long, but not stall and not trickle:
 * then reading throws `REQUEST_TIMEOUT`. Time that the reader takes does not count.
 */
export function openUpload(request: IncomingMessage): UploadBody {
  const announced = request.headers["content-length"];
  return {
    announcedBytes: announced === undefined ? undefined : Number(announced),
    [Symbol.asyncIterator]: () => readPaced(request),
  };
}

function refuseBody(msg: string): AppError {
  return new AppError("VALIDATION_FAILED", { issues: [{ loc: ["body"], msg, type: "json_invalid" }] });
}

/** Whoever walks the body may then recurse. */
function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((item) => isDeeperThan(item, levels - 1));
}

async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw new AppError("PAYLOAD_TOO_LARGE");
  if (maxBytes <= maxJsonBytes) return readAtOnce(request, maxBytes);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const bytes of readPaced(request)) {
    length += bytes.length;
    if (length > maxBytes) throw new AppError("PAYLOAD_TOO_LARGE");
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

/** By events: an iterator costs more than all else of a small body. The request is left open, as by `readPaced`. */
function readAtOnce(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  // Without an error: the deadline of the body has passed.
  const refuseCut = (): void => {
    if (!request.readableEnded) reject(request.errored ?? new AppError("REQUEST_TIMEOUT"));
  };
  if (request.destroyed) refuseCut();
  const chunks: Buffer[] = [];
  let length = 0;
  const take = (bytes: Buffer): void => {
    length += bytes.length;
    chunks.push(bytes);
    if (length <= maxBytes) return;
    request.off("data", take).pause();
    reject(new AppError("PAYLOAD_TOO_LARGE"));
  };
  request.on("data", take);
  request.once("end", () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
  request.once("error", reject);
  request.once("close", refuseCut);
  return promise;
}

async function* readPaced(request: IncomingMessage): AsyncGenerator<Uint8Array, void> {
  liftBodyDeadline(request);
  const chunks = request.iterator({ destroyOnReturn: false });
  let receivedBytes = 0;
  let waitedMs = 0;
  try {
    for (;;) {
      const askedAt = performance.now();
      const allowedMs = Math.min(maxStallMs, maxStallMs + receivedBytes / minBytesPerMs - waitedMs);
      const next = await within(chunks.next(), allowedMs);
      waitedMs += performance.now() - askedAt;
      if (next.done) return;
      receivedBytes += next.value.length;
      yield next.value;
    }
  } finally {
    // Not awaited: after a stall this would wait for the very chunk that does not come.
    void chunks.return?.();
  }
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new AppError("REQUEST_TIMEOUT")), ms);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

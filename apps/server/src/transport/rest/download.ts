import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { toSnakeKeys } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { ByteRange, DownloadAnswer } from "../../pipeline/call.ts";
import { attachmentDisposition } from "./content-disposition.ts";
import { parseRange } from "./ranges.ts";
import { sendJson } from "./send-json.ts";

/** How long a client may take nothing. */
const maxStallMs = 60_000;

type BytesAnswer = Extract<DownloadAnswer<unknown>, { kind: "bytes" }>;

/** Writes a download as fast as the client takes it. After the headers an error can only cut the connection. */
export async function sendDownload(
  request: IncomingMessage,
  response: ServerResponse,
  answer: DownloadAnswer<unknown>,
): Promise<void> {
  switch (answer.kind) {
    case "json":
      return sendJson(response, 200, toSnakeKeys(answer.value));
    case "bytes":
      return sendBytes(request, response, answer);
    case "stream":
      setTypeHeaders(response, answer);
      response.setHeader("cache-control", "no-store");
      response.writeHead(200);
      return write(request, response, answer.open);
  }
}

async function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  answer: BytesAnswer,
): Promise<void> {
  const { sizeBytes, etag } = answer;
  response.setHeader("etag", etag);
  // Whether the caller may still see it is asked each time.
  response.setHeader("cache-control", "private, no-cache");
  response.setHeader("accept-ranges", "bytes");
  if (isKnown(request.headers["if-none-match"], etag)) {
    response.writeHead(304).end();
    return;
  }
  const part = findPart(request, answer);
  if (part === "unsatisfiable") {
    response.setHeader("content-range", `bytes */${sizeBytes}`);
    throw new AppError("RANGE_NOT_SATISFIABLE");
  }
  setTypeHeaders(response, answer);
  const range = part ?? { start: 0, end: sizeBytes - 1 };
  response.setHeader("content-length", range.end - range.start + 1);
  if (part) response.setHeader("content-range", `bytes ${part.start}-${part.end}/${sizeBytes}`);
  response.writeHead(part ? 206 : 200);
  return write(request, response, (signal) => answer.open(range, signal));
}

function findPart(
  { method, headers }: IncomingMessage,
  { sizeBytes, etag }: BytesAnswer,
): ByteRange | "unsatisfiable" | undefined {
  if (method !== "GET") return undefined;
  const ifRange = headers["if-range"];
  if (ifRange !== undefined && ifRange !== etag) return undefined;
  return parseRange(headers.range, sizeBytes);
}

function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = (ifNoneMatch ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.some((tag) => tag === etag || tag === "*");
}

/** What was uploaded is never shown as a page of this origin. */
function setTypeHeaders(
  response: ServerResponse,
  { contentType, filename }: { contentType: string; filename: string | null },
): void {
  response.setHeader("content-type", contentType);
  response.setHeader("content-disposition", attachmentDisposition(filename));
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("content-security-policy", "default-src 'none'; sandbox");
}

async function write(
  request: IncomingMessage,
  response: ServerResponse,
  open: (signal: AbortSignal) => AsyncIterable<Uint8Array | string>,
): Promise<void> {
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  response.setTimeout(maxStallMs, () => response.destroy());
  let failure: Error | undefined;
  const source = async function* (): AsyncGenerator<Uint8Array | string, void> {
    try {
      yield* open(gone.signal);
    } catch (error) {
      if (!gone.signal.aborted) failure = new Error("A download broke off", { cause: error });
      throw error;
    }
  };
  try {
    await pipeline(source(), response);
  } catch {
    // A client that went away is no failure of ours.
    if (failure) throw failure;
  }
}

import type { IncomingMessage } from "node:http";
import { AppError } from "../../errors.ts";

/** Largest JSON body in bytes: a sealed message for 1024 devices fits. */
export const maxJsonBytes = 4 * 1_048_576;

/** Reads a JSON body; undefined for an empty one. Throws `PAYLOAD_TOO_LARGE` or `VALIDATION_FAILED`. */
export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  const bytes = await readBytes(request, maxJsonBytes);
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
  } catch {
    throw new AppError("VALIDATION_FAILED", {
      issues: [{ loc: ["body"], msg: "The body is not JSON in UTF-8", type: "json_invalid" }],
    });
  }
}

async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw new AppError("PAYLOAD_TOO_LARGE");
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    const bytes = chunk as Buffer;
    length += bytes.length;
    if (length > maxBytes) throw new AppError("PAYLOAD_TOO_LARGE");
    chunks.push(bytes);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

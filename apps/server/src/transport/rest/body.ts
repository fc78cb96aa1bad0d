import type { IncomingMessage } from "node:http";
import { AppError } from "../../errors.ts";

/** Largest JSON body in bytes: a sealed message for 1024 devices fits. */
export const maxJsonBytes = 4 * 1_048_576;
/** No input of the contract is half as deep. */
const maxNesting = 16;

/** Reads a JSON body; undefined for an empty one. Throws `PAYLOAD_TOO_LARGE` or `VALIDATION_FAILED`. */
export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  const bytes = await readBytes(request, maxJsonBytes);
  if (bytes.length === 0) return undefined;
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw refuseBody("The body is not JSON in UTF-8");
  }
  if (isDeeperThan(body, maxNesting)) throw refuseBody("The body nests too deep");
  return body;
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

import type { ByteRange } from "../../pipeline/call.ts";

/**
 * Reads a `Range` header (RFC 9110 §14). Undefined: the whole is to be sent, since the header asks
 * for another unit, several ranges, or cannot be read.
 */
export function parseRange(
  header: string | undefined,
  sizeBytes: number,
): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=[\t ]*(\d{0,15})-(\d{0,15})[\t ]*$/i.exec(header ?? "");
  if (!match) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const suffixBytes = Math.min(Number(last), sizeBytes);
    if (suffixBytes === 0) return "unsatisfiable";
    return { start: sizeBytes - suffixBytes, end: sizeBytes - 1 };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return undefined;
  if (start >= sizeBytes) return "unsatisfiable";
  return { start, end: last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1) };
}

/**
 * Reads base64 (RFC 4648 §4, padded) or base64url (§5, padded or not), strictly: one alphabet, no
 * white space, no stray bits. Undefined for anything else.
 */
export function decodeBase64(value: string): Buffer | undefined {
  const encoding = /[-_]/.test(value) ? "base64url" : "base64";
  const bytes = Buffer.from(value, encoding);
  const padded = bytes.toString("base64");
  if (encoding === "base64") return padded === value ? bytes : undefined;
  const unpadded = bytes.toString("base64url");
  const padding = padded.slice(unpadded.length);
  return value === unpadded || value === unpadded + padding ? bytes : undefined;
}

/** How many bytes a text may stand for at most, to refuse it before it is decoded. */
export function maxDecodedBytes(value: string): number {
  return Math.floor((value.length * 3) / 4);
}

type ImageType = "image/png" | "image/jpeg" | "image/gif" | "image/webp";

/** The image's media type by its first bytes, whatever the client calls it; undefined for anything else. */
export function findImageType(bytes: Uint8Array): ImageType | undefined {
  const text = (from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString("latin1");
  if (text(0, 8) === "\x89PNG\r\n\x1a\n") return "image/png";
  if (text(0, 3) === "\xff\xd8\xff") return "image/jpeg";
  if (text(0, 6) === "GIF87a" || text(0, 6) === "GIF89a") return "image/gif";
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return "image/webp";
  return undefined;
}

/** What a message says of a file: where its ciphertext is, how to check and open it, and what to show of it (e2ee §5.6). */
import { type Bytes, SealedFormatError, cborItem, uuidToBytes } from "@sotto/schema";
import { invalidInput } from "../errors.ts";
import { type Fields, fieldOf, timeField, wellFormed } from "./payload-fields.ts";

/** What a message says of a file: enough to download, open and show it. */
export interface FilePayload {
  kind: "file";
  /** The sender's clock, ms since the epoch. */
  sentAtMs: number;
  /** The server's id of the uploaded ciphertext. */
  blobId: string;
  /** The age identity that opens the ciphertext: `AGE-SECRET-KEY-1…`. Whoever has it reads the file. */
  ageIdentity: string;
  /** Of the ciphertext, in bytes. */
  ciphertextSize: number;
  /** Of the ciphertext, 32 bytes: checked before a reader's stream ends. Each chunk is given once it is authentic. */
  ciphertextSha256: Bytes;
  /** Of the file itself, in bytes. */
  size: number;
  /** As the sender says, like `image/png`. */
  mimeType: string;
  /** As the sender says; never a path to write to. */
  name: string;
  /** Of an image or a video, in pixels. */
  width?: number | undefined;
  height?: number | undefined;
  /** A small image, made by the sender's application. */
  thumbnail?: Bytes | undefined;
  /** What the sender wrote beside it. */
  caption?: string | undefined;
}

/** Largest thumbnail in bytes: a body has 192 KiB in all. */
const maxThumbnailBytes = 65_536;
const maxNameChars = 1024;
const maxMimeChars = 255;
const maxIdentityChars = 4096;

/** An absent field is not written, and not read. */
function ifPresent<T, R extends object>(value: T | undefined, make: (value: T) => R): Partial<R> {
  return value === undefined ? {} : make(value);
}

function checkThumbnail(value: unknown): Bytes {
  const thumbnail = cborItem.bytes(value, "thumbnail");
  if (thumbnail.length > maxThumbnailBytes) throw new SealedFormatError("bad_shape", "thumbnail too large");
  return thumbnail;
}

function isText(text: string, maxChars: number): boolean {
  return text.length > 0 && text.length <= maxChars && text.isWellFormed();
}

/** What a sender says of a file. Throws `INVALID_INPUT`, before any work is done for it. */
export function requireFileDescription(
  file: Pick<FilePayload, "name" | "mimeType" | "width" | "height" | "thumbnail" | "caption">,
): void {
  if (!isText(file.name, maxNameChars)) throw invalidInput("name");
  if (!isText(file.mimeType, maxMimeChars)) throw invalidInput("type");
  for (const side of ["width", "height"] as const) {
    const pixels = file[side] ?? 0;
    if (!Number.isSafeInteger(pixels) || pixels < 0) throw invalidInput(side);
  }
  if ((file.thumbnail?.length ?? 0) > maxThumbnailBytes) throw invalidInput("thumbnail");
  if (file.caption !== undefined && !file.caption.isWellFormed()) throw invalidInput("caption");
}

export const fileCodec = {
  type: "file/v1",
  encode: (file: FilePayload): Record<string, unknown> => ({
    blob: uuidToBytes(file.blobId),
    identity: cborItem.text(file.ageIdentity, "identity", maxIdentityChars),
    sealedSize: cborItem.uint(file.ciphertextSize, "sealedSize"),
    sealedHash: cborItem.bytes(file.ciphertextSha256, "sealedHash", 32),
    size: cborItem.uint(file.size, "size"),
    mime: cborItem.text(wellFormed(file.mimeType), "mime", maxMimeChars),
    name: cborItem.text(wellFormed(file.name), "name", maxNameChars),
    ...timeField(file.sentAtMs),
    ...ifPresent(file.width, (width) => ({ width: cborItem.uint(width, "width") })),
    ...ifPresent(file.height, (height) => ({ height: cborItem.uint(height, "height") })),
    ...ifPresent(file.thumbnail, (thumbnail) => ({ thumbnail: checkThumbnail(thumbnail) })),
    ...ifPresent(file.caption, (caption) => ({ caption: wellFormed(caption) })),
  }),
  decode: (fields: Fields): FilePayload => ({
    kind: "file",
    blobId: cborItem.uuid(fields.get("blob"), "blob"),
    ageIdentity: cborItem.text(fields.get("identity"), "identity", maxIdentityChars),
    ciphertextSize: cborItem.uint(fields.get("sealedSize"), "sealedSize"),
    ciphertextSha256: cborItem.bytes(fields.get("sealedHash"), "sealedHash", 32),
    size: cborItem.uint(fields.get("size"), "size"),
    mimeType: cborItem.text(fields.get("mime"), "mime", maxMimeChars),
    name: cborItem.text(fields.get("name"), "name", maxNameChars),
    ...fieldOf.time(fields),
    ...ifPresent(fields.get("width"), (width) => ({ width: cborItem.uint(width, "width") })),
    ...ifPresent(fields.get("height"), (height) => ({ height: cborItem.uint(height, "height") })),
    ...ifPresent(fields.get("thumbnail"), (thumbnail) => ({ thumbnail: checkThumbnail(thumbnail) })),
    ...ifPresent(fields.get("caption"), () => ({ caption: fieldOf.text(fields, "caption") })),
  }),
};

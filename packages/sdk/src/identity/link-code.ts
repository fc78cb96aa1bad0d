import {
  type Bytes,
  SealedFormatError,
  cborItem,
  decodeCappedBase64url,
  decodeCbor,
  encodeBase64url,
  encodeCbor,
  uuidToBytes,
} from "@sotto/schema";

/** What a new device shows, as QR or text, to the one that is to let it in (PROTOCOL §8.7). */
export interface LinkCode {
  userId: string;
  deviceId: string;
  /** SHA-256 of the device's identity key: what the server publishes must have the same. */
  dikHash: Bytes;
  /** 32 random bytes that the server never sees: what is handed over holds them. */
  secret: Bytes;
}

/** Why a link code does not let a device in: `details.reason` of `LINK_REFUSED`. */
export type LinkRefusal =
  /** No link code. */
  | "malformed"
  /** Of another user's device. */
  | "wrong_user"
  /** The server has no such device, or its key bundle does not verify. */
  | "not_published"
  /** The server has published another identity key for the device than the code names. */
  | "key_mismatch";

const prefix = "sotto-link:1.";
const tag = "link/v1";
const maxBytes = 512;

export function encodeLinkCode({ userId, deviceId, dikHash, secret }: LinkCode): string {
  return prefix + encodeBase64url(encodeCbor([tag, uuidToBytes(userId), deviceId, dikHash, secret]));
}

/** Undefined: no link code. Space around it, as left by pasting, does no harm. */
export function parseLinkCode(text: string): LinkCode | undefined {
  const code = text.trim();
  if (!code.startsWith(prefix)) return undefined;
  try {
    const bytes = decodeCappedBase64url(code.slice(prefix.length), maxBytes);
    const [first, user, device, dikHash, secret] = cborItem.array(decodeCbor(bytes, maxBytes), tag, 5);
    cborItem.literal(first, tag);
    return {
      userId: cborItem.uuid(user, "user id"),
      deviceId: cborItem.text(device, "device id", 64),
      dikHash: cborItem.bytes(dikHash, "hash", 32),
      secret: cborItem.bytes(secret, "secret", 32),
    };
  } catch (error) {
    if (error instanceof SealedFormatError) return undefined;
    throw error;
  }
}

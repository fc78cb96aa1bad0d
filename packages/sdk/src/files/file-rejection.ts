import { SottoError } from "../errors.ts";

/** Why a file was not accepted. It is final: the same bytes are refused again. */
export type FileRejection =
  /** Not as many bytes of ciphertext as the message says. */
  | "wrong_size"
  /** The ciphertext is another one than the message names. */
  | "wrong_hash"
  /** The message holds no X25519 identity of age. */
  | "identity_invalid"
  /** Not the age format, or sealed to another identity. */
  | "header_rejected"
  /** A chunk was altered, or is missing, moved or too many. */
  | "chunk_rejected"
  /** It is longer or shorter than the message says, or padded otherwise. */
  | "padding_invalid";

export function rejectFile(reason: FileRejection, cause?: unknown): SottoError<"FILE_REJECTED"> {
  return new SottoError("FILE_REJECTED", { details: { reason }, cause });
}

/** Why an envelope was refused. Each is final: opening the same bytes again gives the same answer. */
export type EnvelopeErrorCode =
  /** The input to `sealEnvelope` breaks the format: an id that is no UUID, a bad counter. */
  | "invalid_input"
  /** Larger than `sealedLimits.maxBodyBytes`. */
  | "oversize"
  /** The ciphertext is not `sealed/v1` at all. */
  | "not_sealed"
  /** Body or inner content is not well-formed, deterministic CBOR of the format. */
  | "malformed"
  | "unsupported_suite"
  | "unsupported_kem"
  /** The header says something else than the server does. */
  | "wrong_conversation"
  | "wrong_sender"
  | "wrong_device"
  | "wrong_message"
  /** The sender saw another set of devices than the given one. */
  | "roster_mismatch"
  /** The wrap is empty: the sender could not seal to this device's key. */
  | "not_addressed"
  | "wrap_malformed"
  /** Sealed to a key that this device no longer has, or never had. */
  | "no_key"
  /** The wrap was altered, or belongs to another device, message or sender. */
  | "wrap_rejected"
  /** The content key is not the one that the body commits to. */
  | "commitment_mismatch"
  | "content_rejected"
  | "padding_invalid"
  /** No valid signature by the sender's device identity key where one is due. */
  | "signature_invalid"
  /** A payload of a known kind breaks that kind's shape. */
  | "payload_malformed";

/** The one error of sealing and opening. Its message names no key, no content. */
export class EnvelopeError extends Error {
  override readonly name = "EnvelopeError";
  readonly code: EnvelopeErrorCode;
  constructor(code: EnvelopeErrorCode, message?: string) {
    super(message ?? code.replaceAll("_", " "));
    this.code = code;
  }
}

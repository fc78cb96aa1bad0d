/** What is said: `[kind, {fields}]`. A new kind is a new row of `codecs`; unknown fields of a known kind are skipped. */
import { type Bytes, SealedFormatError, cborItem, decodeCbor, encodeCbor, sealedLimits } from "@sotto/schema";
import { EnvelopeError } from "./errors.ts";

export interface TextPayload {
  kind: "text";
  text: string;
  /** The sender's clock, ms since the epoch. */
  sentAtMs: number;
}

/** A kind that this version does not know: show it as such, keep its bytes for a later one. */
export interface UnknownPayload {
  kind: "unknown";
  /** As sent, like `poll/v1`. */
  type: string;
  bytes: Bytes;
}

export type Payload = TextPayload | UnknownPayload;

type Fields = ReadonlyMap<unknown, unknown>;
const decoders: ReadonlyMap<string, (fields: Fields) => Payload> = new Map([["text/v1", decodeText]]);

function decodeText(fields: Fields): TextPayload {
  const text = fields.get("text");
  if (typeof text !== "string") throw new EnvelopeError("payload_malformed");
  return { kind: "text", text, sentAtMs: cborItem.uint(fields.get("sentAt"), "sentAt") };
}

/** A payload's CBOR. Throws `invalid_input` for a text that is no well-formed Unicode or a time before 1970. */
export function encodePayload(payload: Payload): Bytes {
  if (payload.kind === "unknown") return payload.bytes;
  const { text, sentAtMs } = payload;
  if (!text.isWellFormed() || !Number.isSafeInteger(sentAtMs) || sentAtMs < 0) {
    throw new EnvelopeError("invalid_input", "text is not Unicode, or sentAtMs is no time");
  }
  return encodeCbor(["text/v1", { text, sentAt: sentAtMs }]);
}

/** Reads a payload. An unknown kind is a value, a broken one throws `payload_malformed`. */
export function decodePayload(bytes: Bytes): Payload {
  try {
    const items = cborItem.array(decodeCbor(bytes, sealedLimits.maxBodyBytes), "payload");
    const type = cborItem.text(items[0], "payload kind");
    const decodeKnown = decoders.get(type);
    if (!decodeKnown) return { kind: "unknown", type, bytes };
    const fields = items[1];
    if (items.length !== 2 || !(fields instanceof Map)) throw new EnvelopeError("payload_malformed");
    return decodeKnown(fields);
  } catch (error) {
    if (error instanceof SealedFormatError) throw new EnvelopeError("payload_malformed");
    throw error;
  }
}

/**
 * What is said: `[kind, {fields}]` in deterministic CBOR (docs/PROTOCOL.md §8.8). A new kind is a new row of `codecs`;
 * unknown fields of a known kind are skipped, unknown kinds are kept.
 */
import {
  type Bytes,
  SealedFormatError,
  cborItem,
  decodeCbor,
  encodeCbor,
  sealedLimits,
  uuidToBytes,
} from "@sotto/schema";
import { EnvelopeError } from "./errors.ts";
import { type FilePayload, fileCodec } from "./file-payload.ts";
import { type Fields, fieldOf, refusedField, timeField, wellFormed } from "./payload-fields.ts";

/** Names a message of the same conversation: who sent it, and the sender's own id of it. */
export interface MessageRef {
  senderUserId: string;
  /** The `message_id` of its signed header. */
  clientMessageId: string;
}

interface Timed {
  /** The sender's clock, ms since the epoch. */
  sentAtMs: number;
}

/** What a message of text says. */
export interface TextPayload extends Timed {
  kind: "text";
  text: string;
  /** The message that it answers. */
  replyTo?: MessageRef | undefined;
}

/** Replaces the text of one of the sender's own messages. */
export interface EditPayload extends Timed {
  kind: "edit";
  /** `clientMessageId` of the sender's own message. */
  target: string;
  text: string;
}

/** Puts an emoji on a message, or takes it back. */
export interface ReactionPayload extends Timed {
  kind: "reaction";
  target: MessageRef;
  /** 1 to 64 UTF-16 units; what is an emoji is for the application to judge. */
  emoji: string;
  isRemoved: boolean;
}

/** Deletes one of the sender's own messages for everyone. */
export interface DeletionPayload extends Timed {
  kind: "deletion";
  /** `clientMessageId` of the sender's own message. */
  target: string;
}

/** A kind that this version does not know: show it as such, keep its bytes for a later one. */
export interface UnknownPayload {
  kind: "unknown";
  /** As sent, like `poll/v1`. */
  type: string;
  bytes: Bytes;
}

/** Everything that a message of a known kind can say. */
export type KnownPayload = TextPayload | EditPayload | ReactionPayload | DeletionPayload | FilePayload;
/** Everything that a message can say, of kinds not known yet too. */
export type Payload = KnownPayload | UnknownPayload;
export type { FilePayload };

/** Longest emoji: families with their joiners and flags with their tags fit several times. */
const maxEmojiUnits = 64;

interface Codec<P extends KnownPayload> {
  type: string;
  encode: (payload: P) => Record<string, unknown>;
  decode: (fields: Fields) => P;
}

const codecs: { [P in KnownPayload as P["kind"]]: Codec<P> } = {
  text: {
    type: "text/v1",
    encode: ({ text, sentAtMs, replyTo }) => ({
      text: wellFormed(text),
      ...timeField(sentAtMs),
      ...(replyTo ? { replyTo: encodeRef(replyTo) } : {}),
    }),
    decode: (fields) => {
      const replyTo = fields.get("replyTo");
      const text = { kind: "text" as const, text: fieldOf.text(fields, "text"), ...fieldOf.time(fields) };
      return replyTo === undefined ? text : { ...text, replyTo: decodeRef(replyTo) };
    },
  },
  edit: {
    type: "edit/v1",
    encode: ({ target, text, sentAtMs }) => ({
      target: uuidToBytes(target),
      text: wellFormed(text),
      ...timeField(sentAtMs),
    }),
    decode: (fields) => ({
      kind: "edit",
      target: cborItem.uuid(fields.get("target"), "target"),
      text: fieldOf.text(fields, "text"),
      ...fieldOf.time(fields),
    }),
  },
  reaction: {
    type: "reaction/v1",
    encode: ({ target, emoji, isRemoved, sentAtMs }) => ({
      target: encodeRef(target),
      emoji: checkEmoji(wellFormed(emoji)),
      removed: isRemoved,
      ...timeField(sentAtMs),
    }),
    decode: (fields) => ({
      kind: "reaction",
      target: decodeRef(fields.get("target")),
      emoji: checkEmoji(fieldOf.text(fields, "emoji")),
      isRemoved: fieldOf.flag(fields, "removed"),
      ...fieldOf.time(fields),
    }),
  },
  deletion: {
    type: "deletion/v1",
    encode: ({ target, sentAtMs }) => ({ target: uuidToBytes(target), ...timeField(sentAtMs) }),
    decode: (fields) => ({
      kind: "deletion",
      target: cborItem.uuid(fields.get("target"), "target"),
      ...fieldOf.time(fields),
    }),
  },
  file: fileCodec,
};

const decoders = new Map(
  Object.values(codecs).map(({ type, decode }): [string, (fields: Fields) => KnownPayload] => [type, decode]),
);

function encodeRef({ senderUserId, clientMessageId }: MessageRef): readonly Bytes[] {
  return [uuidToBytes(senderUserId), uuidToBytes(clientMessageId)];
}

function decodeRef(value: unknown): MessageRef {
  const [sender, message] = cborItem.array(value, "reference", 2);
  return {
    senderUserId: cborItem.uuid(sender, "sender"),
    clientMessageId: cborItem.uuid(message, "message"),
  };
}

function checkEmoji(emoji: string): string {
  if (emoji.length > 0 && emoji.length <= maxEmojiUnits) return emoji;
  throw new SealedFormatError("bad_shape", "malformed emoji");
}

/**
 * A payload's CBOR. Of an unknown kind it is its bytes, without `refused`. Throws `invalid_input` for a text that is no
 * well-formed Unicode, a time before 1970, a bad id.
 */
export function encodePayload(payload: Payload, refused: readonly number[] = []): Bytes {
  const encodeKnown = <P extends KnownPayload>(codec: Codec<P>, known: P): Bytes =>
    encodeCbor([codec.type, { ...codec.encode(known), ...refusedField(refused) }]);
  try {
    switch (payload.kind) {
      case "unknown":
        return payload.bytes;
      case "text":
        return encodeKnown(codecs.text, payload);
      case "edit":
        return encodeKnown(codecs.edit, payload);
      case "reaction":
        return encodeKnown(codecs.reaction, payload);
      case "deletion":
        return encodeKnown(codecs.deletion, payload);
      case "file":
        return encodeKnown(codecs.file, payload);
    }
  } catch (error) {
    if (error instanceof SealedFormatError) throw new EnvelopeError("invalid_input", error.message);
    throw error;
  }
}

/** A payload, and the numbers that its message says were refused. */
export interface DecodedPayload {
  payload: Payload;
  refused: number[];
}

/** Reads a payload. An unknown kind is a value, a broken one throws `payload_malformed`. */
export function decodePayload(bytes: Bytes): DecodedPayload {
  try {
    const items = cborItem.array(decodeCbor(bytes, sealedLimits.maxBodyBytes), "payload");
    const type = cborItem.text(items[0], "payload kind");
    const decodeKnown = decoders.get(type);
    if (!decodeKnown) return { payload: { kind: "unknown", type, bytes }, refused: [] };
    const fields = items[1];
    if (items.length !== 2 || !(fields instanceof Map)) throw new EnvelopeError("payload_malformed");
    return { payload: decodeKnown(fields), refused: fieldOf.refused(fields) };
  } catch (error) {
    if (error instanceof SealedFormatError) throw new EnvelopeError("payload_malformed");
    throw error;
  }
}

import * as z from "zod/mini";
import { attachmentId, messageId, text, time } from "../primitives.ts";

/** Largest attachment as base64 in JSON, in bytes; larger ones are uploaded. */
export const maxInlineAttachmentBytes = 1_048_576;
/** Most attachments of one message. */
export const maxAttachments = 32;

const mediaType = z.string().check(
  z.maxLength(255),
  z.regex(/^$|^[\w!#$&^.+-]+\/[\w!#$&^.+-]+( *; *[\w!#$&^.+-]+=([\w!#$&^.+-]+|"[\w !#$&^.+/:=?@-]*"))*$/, {
    error: "A media type, such as image/png",
  }),
);

/** Both are the sender's own words, and may be sealed or left out. */
const description = { contentType: z.nullish(mediaType), filename: z.nullish(text(255)) };

export const attachment = z.object({
  id: attachmentId,
  messageId,
  contentType: z.nullable(z.string()),
  filename: z.nullable(z.string()),
  sizeBytes: z.int().check(z.minimum(0)),
  /** Empty for an uploaded one. */
  ciphertextB64: z.string(),
  createdAt: time,
  /** The path of an uploaded one's bytes. */
  downloadUrl: z.nullable(z.string()),
});
export type Attachment = z.output<typeof attachment>;

export const add = {
  input: z.object({
    messageId,
    ...description,
    /** Base64 or base64url; refused with `PAYLOAD_TOO_LARGE` above `maxInlineAttachmentBytes`. */
    ciphertextB64: z.string().check(z.minLength(1)),
  }),
  output: attachment,
};

/** An upload that is complete; its id becomes the attachment's. */
export const attach = {
  input: z.object({ messageId, uploadId: attachmentId, ...description }),
  output: attachment,
};

export const list = {
  input: z.object({ messageId }),
  output: z.object({ attachments: z.array(attachment) }),
};

export const upload = {
  input: z.object({ messageId, ...description }),
  output: z.object({ id: attachmentId, downloadUrl: z.string() }),
};

export const download = { input: z.object({ attachmentId }), output: z.never() };

import * as z from "zod/mini";
import { attachmentId, ok, time } from "../primitives.ts";

/** How far an upload has come. */
export const uploadState = z.object({
  /** Later the attachment's id. */
  uploadId: attachmentId,
  /** So many bytes are stored: where to go on. */
  offset: z.int().check(z.minimum(0)),
  sizeBytes: z.int().check(z.minimum(1)),
  isComplete: z.boolean(),
  /** Bodies of a multiple of this are kept whole; of others the rest comes again. */
  pieceBytes: z.int().check(z.minimum(1)),
  /** When it is given up, unless more comes; null once it is attached. */
  expiresAt: z.nullable(time),
});
export type UploadState = z.output<typeof uploadState>;

export const create = {
  input: z.object({
    /** The client's own choice: creating again with it gives what is there. */
    uploadId: z.optional(attachmentId),
    sizeBytes: z.int().check(z.minimum(1)),
    /** In hex: what the bytes are checked against when they are all there. */
    sha256: z.optional(z.string().check(z.regex(/^[0-9a-f]{64}$/, { error: "64 lower-case hex digits" }))),
  }),
  output: uploadState,
};

export const get = { input: z.object({ uploadId: attachmentId }), output: uploadState };

export const append = {
  input: z.object({ uploadId: attachmentId, offset: z.int().check(z.minimum(0)) }),
  output: uploadState,
};

export const cancel = { input: z.object({ uploadId: attachmentId }), output: ok };

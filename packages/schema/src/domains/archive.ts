import * as z from "zod/mini";
import { attachment } from "./attachments.ts";
import { message } from "./messages.ts";
import { conversationId, deviceId, messageId, text, userId } from "../primitives.ts";

/** Most items of one import. */
export const maxImportItems = 100_000;
/** Largest body of an import in bytes. */
export const maxImportBytes = 32 * 1_048_576;

/** A message of an export, or one that a client made up. What it may not say of itself is not read. */
export const importItem = z.object({
  /** Whoever imports an item with this id again adds nothing. */
  id: z.nullish(messageId),
  /** Non-empty, at most `maxCiphertextBytes`. */
  ciphertext: text(Number.MAX_SAFE_INTEGER).check(z.minLength(1)),
  /** As the export had it, for the device that exported. */
  wrap: z.nullish(text(4096)),
  /** Any time from 1970 until now; missing: now. */
  sentAt: z.nullish(z.string().check(z.maxLength(64))),
  senderDeviceId: z.nullish(deviceId),
  /** Whoever is or was no member is taken for the importer. */
  senderUserId: z.nullish(userId),
});
export type ImportItem = z.output<typeof importItem>;

export const importMessages = {
  input: z.object({
    conversationId,
    version: z.nullish(z.literal(1)),
    messages: z.array(importItem).check(z.maxLength(maxImportItems)),
  }),
  output: z.object({
    detail: z.literal("ok"),
    /** The ids of what was added, in the order of the items. */
    created: z.array(messageId),
  }),
};

/** What a caller may see of a conversation, oldest first, without deleted messages. */
export const exportConversation = {
  input: z.object({ conversationId }),
  output: z.object({
    version: z.literal(1),
    conversationId,
    isGroup: z.boolean(),
    messages: z.array(message),
    attachments: z.array(attachment),
  }),
};
export type Export = z.output<typeof exportConversation.output>;

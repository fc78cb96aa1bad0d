import * as z from "zod";
import { conversationId, text, time, userId } from "../primitives.ts";

/** Most invites of a group that have not expired. */
export const maxLiveInvites = 100;
const maxExpiryMinutes = 525_600;
const maxUsesLimit = 1_000_000;

/** 192 random bits in base64url; any other text names no invite. */
const code = text(64).min(1);
/** null: it does not expire. */
const expiresAt = time.nullable();
/** 0: no limit. */
const maxUses = z.int().min(0).max(maxUsesLimit);

export const create = {
  input: z.object({
    conversationId,
    expiresInMinutes: z.int().min(1).max(maxExpiryMinutes).nullish(),
    maxUses: maxUses.nullish(),
  }),
  output: z.object({ code, expiresAt, maxUses }),
};

export const invite = z.object({
  code,
  createdByUserId: userId,
  createdAt: time,
  expiresAt,
  maxUses,
  uses: z.int().min(0),
});
export type Invite = z.output<typeof invite>;
export const list = { input: z.object({ conversationId }), output: z.array(invite) };
export const revoke = { input: z.object({ conversationId, code }) };

export const preview = {
  input: z.object({ code }),
  output: z.object({
    conversationId,
    name: z.string(),
    /** null: no limit. */
    remaining: z.int().min(0).nullable(),
  }),
};

export const accept = {
  input: z.object({ code }),
  output: z.object({ detail: z.literal("ok"), conversationId }),
};

import * as z from "zod/mini";
import { conversationId, text, time, userId } from "../primitives.ts";

/** Most invites of a group that have not expired. */
export const maxLiveInvites = 100;
const maxExpiryMinutes = 525_600;
const maxUsesLimit = 1_000_000;

/** 192 random bits in base64url; any other text names no invite. */
const code = text(64).check(z.minLength(1));
/** null: it does not expire. */
const expiresAt = z.nullable(time);
/** 0: no limit. */
const maxUses = z.int().check(z.minimum(0), z.maximum(maxUsesLimit));

export const createAnswer = z.object({ code, expiresAt, maxUses });
export const create = {
  input: z.object({
    conversationId,
    expiresInMinutes: z.nullish(z.int().check(z.minimum(1), z.maximum(maxExpiryMinutes))),
    maxUses: z.nullish(maxUses),
  }),
  output: createAnswer,
};

export const invite = z.object({
  code,
  createdByUserId: userId,
  createdAt: time,
  expiresAt,
  maxUses,
  uses: z.int().check(z.minimum(0)),
});
/** An invite to a group: whoever has its `code` joins, up to `maxUses` times (0: no limit) and until `expiresAt`. */
export type Invite = z.output<typeof invite>;
export const listAnswer = z.array(invite);
export const list = { input: z.object({ conversationId }), output: listAnswer };
export const revoke = { input: z.object({ conversationId, code }) };

export const previewAnswer = z.object({
  conversationId,
  name: z.string(),
  /** null: no limit. */
  remaining: z.nullable(z.int().check(z.minimum(0))),
});
export const preview = {
  input: z.object({ code }),
  output: previewAnswer,
};

export const acceptAnswer = z.object({ detail: z.literal("ok"), conversationId });
export const accept = {
  input: z.object({ code }),
  output: acceptAnswer,
};

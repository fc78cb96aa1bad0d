import * as z from "zod/mini";
import { emoji, messageId, reactionId, time, userId } from "../primitives.ts";

/** Most different emoji that one user puts on one message. */
export const maxReactionsPerUser = 16;

export const reaction = z.object({ id: reactionId, messageId, userId, emoji, createdAt: time });
export type Reaction = z.output<typeof reaction>;

export const add = { input: z.object({ messageId, emoji }), output: reaction };

export const list = {
  input: z.object({
    messageId,
    /** A reaction's id; what came after it comes. */
    after: z.nullish(reactionId),
    limit: z._default(z.int().check(z.minimum(1), z.maximum(1000)), 1000),
  }),
  output: z.object({ reactions: z.array(reaction) }),
};

export const remove = { input: z.object({ messageId, emoji }) };

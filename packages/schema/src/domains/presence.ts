import * as z from "zod/mini";
import { time, userId } from "../primitives.ts";

export const presence = z.object({ userId, online: z.boolean(), lastSeen: z.nullable(time) });
/** Whether a user is connected now, and when last (RFC 3339; null: not known). */
export type Presence = z.output<typeof presence>;

export const get = { input: z.object({ userId }), output: presence };
export const ping = { input: z.object({}), output: presence };

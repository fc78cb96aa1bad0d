import * as z from "zod/mini";
import { time, userId } from "../primitives.ts";

export const block = z.object({ blockedUserId: userId, createdAt: time });
/** A user whom this user has blocked, and since when (RFC 3339). */
export type Block = z.output<typeof block>;

export const change = { input: z.object({ blockedUserId: userId }) };
export const listAnswer = z.array(block);
export const list = { input: z.object({}), output: listAnswer };

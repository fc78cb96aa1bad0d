import * as z from "zod/mini";
import { userId } from "../primitives.ts";

export const contact = z.object({ userId, phone: z.string(), name: z.nullable(z.string()) });
/** A user whom this user knows by phone number. `name` is what that user has said; null: nothing. */
export type Contact = z.output<typeof contact>;

export const add = {
  /** Refused with `INVALID_PHONE` when it is not E.164. */
  input: z.object({ phone: z.string().check(z.maxLength(64)) }),
};
export const listAnswer = z.array(contact);
export const list = { input: z.object({}), output: listAnswer };

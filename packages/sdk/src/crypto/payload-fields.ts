/** What the fields of several payload kinds have in common. All throw `SealedFormatError` `bad_shape`. */
import { SealedFormatError, cborItem } from "@sotto/schema";

export type Fields = ReadonlyMap<unknown, unknown>;

const badShape = (name: string) => new SealedFormatError("bad_shape", `malformed ${name}`);

export const fieldOf = {
  /** Any text, the empty one too. */
  text(fields: Fields, name: string): string {
    const value = fields.get(name);
    if (typeof value !== "string") throw badShape(name);
    return value;
  },
  flag(fields: Fields, name: string): boolean {
    const value = fields.get(name);
    if (typeof value !== "boolean") throw badShape(name);
    return value;
  },
  time: (fields: Fields) => ({ sentAtMs: cborItem.uint(fields.get("sentAt"), "sentAt") }),
  /** Without it, none. */
  refused: (fields: Fields) =>
    cborItem.array(fields.get("refused") ?? [], "refused").map((one) => cborItem.uint(one, "refused")),
};

export const timeField = (sentAtMs: number) => ({ sentAt: cborItem.uint(sentAtMs, "sentAt") });

/** Not written when there are none. */
export const refusedField = (refused: readonly number[]) =>
  refused.length === 0 ? {} : { refused: refused.map((one) => cborItem.uint(one, "refused")) };

export function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw badShape("text");
  return text;
}

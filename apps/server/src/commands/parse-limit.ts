import { CommandError } from "./command-error.ts";

const maxLimit = 100_000;

/** The number of `--limit`. Throws `CommandError`. */
export function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
    throw new CommandError(`--limit must be a whole number from 1 to ${maxLimit}`);
  }
  return limit;
}

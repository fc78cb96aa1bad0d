import { createHmac } from "node:crypto";
import { AppError } from "../../errors.ts";
import type { Call } from "../../pipeline/call.ts";
import { lockUser } from "../accounts/users.service.ts";
import { countLookups, hasLookup, upsertLookup } from "./contacts.queries.ts";

export { deleteOldLookups } from "./contacts.queries.ts";

const dayMs = 86_400_000;

/**
 * Counts the different numbers that an account asks for within a day, so that nobody learns by
 * trying who uses the server. A number that nobody has counts too, so this commits by itself.
 */
export async function requireFewNumbers(call: Call, phone: string): Promise<void> {
  const { app, caller } = call;
  const { userId } = caller;
  const now = app.now();
  const since = new Date(now.getTime() - dayMs);
  const numberHash = createHmac("sha256", app.config.JWT_SECRET).update(`contact/${phone}`).digest();
  const retryAfter = await app.db.transaction().execute(async (tx) => {
    await lockUser(tx, userId);
    if (await hasLookup(tx, { userId, numberHash, since })) return 0;
    const { count, firstAt } = await countLookups(tx, userId, since);
    if (count >= app.config.CONTACT_NUMBERS_PER_DAY && firstAt) {
      return Math.max(1, Math.ceil((firstAt.getTime() + dayMs - now.getTime()) / 1000));
    }
    await upsertLookup(tx, { userId, numberHash, at: now });
    return 0;
  });
  if (retryAfter > 0) throw new AppError("RATE_LIMITED", { retryAfter });
}

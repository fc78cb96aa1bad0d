import type { App } from "./app.ts";
import { deleteExpiredChallenges } from "./modules/accounts/otp.service.ts";
import { deleteOldLookups } from "./modules/contacts/lookups.service.ts";
import { collectBlobs } from "./modules/blobs/blobs.service.ts";
import { pruneAccountEntries } from "./modules/logs/logs.service.ts";
import { forgetWebhooks } from "./modules/payments/payments.service.ts";
import { deleteDeadWebhooks } from "./modules/webhooks/webhooks.service.ts";
import { deleteOldKeys } from "./pipeline/idempotency.queries.ts";

const periodMs = 60_000;
const batchSize = 5_000;
const maxCollectedBlobs = 500;
const dayMs = 86_400_000;
/** How long a repeated `Idempotency-Key` gives the first answer. */
const idempotencyDays = 7;
/** How long a webhook that was given up can be sent again. */
const deadWebhookDays = 30;

/** Deletes what has had its time, in small batches, so that it does not disturb sends. */
export function startMaintenance(app: App): Disposable {
  const timer = setInterval(() => {
    runMaintenance(app).catch((error: unknown) => app.log.warn({ err: error }, "maintenance failed"));
  }, periodMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

export async function runMaintenance(app: App): Promise<void> {
  const now = app.now();
  const daysAgo = (days: number): Date => new Date(now.getTime() - days * dayMs);
  const before = daysAgo(app.config.LOG_RETENTION_DAYS);
  await deleteExpiredChallenges(app.db, now);
  await deleteOldLookups(app.db, daysAgo(1));
  await deleteOldKeys(app.db, daysAgo(idempotencyDays));
  await forgetWebhooks(app.db, now);
  await deleteDeadWebhooks(app.db, daysAgo(deadWebhookDays));
  const pruned = await pruneAccountEntries(app.db, { before, liveSince: before, limit: batchSize });
  if (pruned > 0) app.log.info({ pruned }, "account entries pruned");
  const collected = await collectBlobs(app, maxCollectedBlobs);
  if (collected > 0) app.log.info({ collected }, "blobs collected");
}

import { setTimeout as sleep } from "node:timers/promises";
import type { UserId } from "@sotto/schema";
import type { App } from "./app.ts";
import type { Expiry } from "./db/delete-oldest.ts";
import type { Tx } from "./db/db.ts";
import { insertTasks, takeTask, updateTask } from "./maintenance.queries.ts";
import { deleteExpiredChallenges } from "./modules/accounts/otp.service.ts";
import { deleteExpiredSessions } from "./modules/accounts/sessions.service.ts";
import { collectBlobs } from "./modules/blobs/blobs.service.ts";
import { deleteOldLookups } from "./modules/contacts/lookups.service.ts";
import { pruneAccountEntries } from "./modules/logs/logs.service.ts";
import { forgetWebhooks } from "./modules/payments/payments.service.ts";
import { deleteDeadWebhooks } from "./modules/webhooks/webhooks.service.ts";
import { deleteOldKeys } from "./pipeline/idempotency.queries.ts";

const periodMs = 60_000;
/** Rows of a transaction. */
const batchSize = 500;
/** Pauses take so many times as long as the work, so that most of the database is left to the sends. */
const pauseRatio = 3;
const minPauseMs = 10;
const maxCollectedBlobs = 500;
const hourMs = 3_600_000;
const dayMs = 86_400_000;
/** How long a repeated `Idempotency-Key` gives the first answer. */
const idempotencyDays = 7;
/** How long a webhook that was given up can be sent again. */
const deadWebhookDays = 30;

interface Batch {
  deleted: number;
  /** Where to go on; for tasks that go through a table. */
  cursor: string | null;
  isDone: boolean;
}

interface Task {
  name: string;
  /** How long it rests when there is nothing left to do. */
  everyMs: number;
  run: (tx: Tx, cursor: string | null) => Promise<Batch>;
}

function expiring(name: string, before: Date, expire: (tx: Tx, expiry: Expiry) => Promise<number>): Task {
  return {
    name,
    everyMs: periodMs,
    run: async (tx) => {
      const deleted = await expire(tx, { before, limit: batchSize });
      return { deleted, cursor: null, isDone: deleted < batchSize };
    },
  };
}

function listTasks(app: App): Task[] {
  const now = app.now().getTime();
  const ago = (ms: number): Date => new Date(now - ms);
  const retention = ago(app.config.LOG_RETENTION_DAYS * dayMs);
  return [
    expiring("otp_challenges", ago(0), deleteExpiredChallenges),
    expiring("contact_lookups", ago(dayMs), deleteOldLookups),
    expiring("idempotency_keys", ago(idempotencyDays * dayMs), deleteOldKeys),
    expiring("payment_webhooks", ago(0), forgetWebhooks),
    expiring("webhook_events", ago(deadWebhookDays * dayMs), deleteDeadWebhooks),
    expiring("sessions", ago(dayMs), deleteExpiredSessions),
    {
      name: "account_logs",
      everyMs: hourMs,
      run: async (tx, from) => {
        const options = { cursor: from as UserId | null, before: retention, liveSince: retention };
        const { deleted, cursor } = await pruneAccountEntries(tx, options);
        return { deleted, cursor, isDone: cursor === null };
      },
    },
  ];
}

/** Deletes what has had its time, in small batches with pauses, so that it does not disturb sends. */
export function startMaintenance(app: App): AsyncDisposable {
  const stop = new AbortController();
  let running: Promise<unknown> | undefined;
  const timer = setInterval(() => {
    running ??= runMaintenance(app, { signal: stop.signal, dueBy: app.now() })
      .catch((error: unknown) => app.log.warn({ err: error }, "maintenance failed"))
      .finally(() => (running = undefined));
  }, periodMs);
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      stop.abort();
      await running;
    },
  };
}

/**
 * Each task until nothing is left, or another process has it. A batch is a transaction that holds the
 * task's row: so no two processes do the same, and what was cut off goes on where it was. `dueBy`:
 * those tasks alone whose time has come by then. Gives how many rows went, by task.
 */
export async function runMaintenance(
  app: App,
  options: { signal?: AbortSignal; dueBy?: Date } = {},
): Promise<Record<string, number>> {
  const tasks = listTasks(app);
  await insertTasks(
    app.db,
    tasks.map(({ name }) => name),
    app.now(),
  );
  const deleted: Record<string, number> = {};
  for (const task of tasks) {
    for (let isDone = false; !isDone && !options.signal?.aborted;) {
      const startedAt = performance.now();
      const batch = await runBatch(app, task, options.dueBy);
      if (!batch) break;
      isDone = batch.isDone;
      if (batch.deleted > 0) deleted[task.name] = (deleted[task.name] ?? 0) + batch.deleted;
      if (!isDone) await pause((performance.now() - startedAt) * pauseRatio, options.signal);
    }
  }
  if (!options.signal?.aborted) {
    const collected = await collectBlobs(app, maxCollectedBlobs);
    if (collected > 0) deleted["blobs"] = collected;
  }
  if (Object.keys(deleted).length > 0) app.log.info({ deleted }, "maintenance");
  return deleted;
}

function runBatch(app: App, task: Task, dueBy: Date | undefined): Promise<Batch | undefined> {
  return app.db.transaction().execute(async (tx) => {
    const taken = await takeTask(tx, task.name, dueBy);
    if (!taken) return undefined;
    const batch = await task.run(tx, taken.cursor);
    // It stays due until it is done.
    const rest = batch.isDone ? { due_at: new Date(app.now().getTime() + task.everyMs) } : {};
    await updateTask(tx, task.name, { cursor: batch.cursor, ...rest });
    return batch;
  });
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(Math.max(minPauseMs, ms), undefined, signal ? { signal } : {}).catch(() => {});
}

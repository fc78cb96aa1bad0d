import type { Job, JobInsert, PgBoss, Queue } from "pg-boss";
import type { Tx } from "../db/db.ts";
import type { Log } from "../log.ts";

/** A worker that dies without a word loses its job after `heartbeatSeconds` and at most this. */
const superviseSeconds = 5;
const heartbeatSeconds = 10;
const pollingSeconds = 1;
const connections = 4;
/** How long a stop waits for the jobs in hand; what is left is done by others. */
const drainMs = 5_000;

export type Handler<Data> = (job: Job<Data>) => Promise<void>;

/** Durable work, as `pg-boss` keeps it in the schema `pgboss` of the same database. */
export interface Jobs extends AsyncDisposable {
  /** Inserts jobs in the caller's transaction; a job that its queue's policy excludes is left out. */
  insert(tx: Tx, queue: string, jobs: JobInsert[]): Promise<void>;
  /** Ends a job in the caller's transaction. */
  complete(tx: Tx, job: Job): Promise<void>;
  work<Data extends object>(queue: string, workers: Workers<Data>): Promise<void>;
  /** How many jobs of a queue of given-up ones there are, counted up to `limit`. */
  countDead(queue: string, limit: number): Promise<number>;
  /** Lets jobs of a queue of given-up ones, the oldest first, go back to where they came from; gives how many. */
  redrive(queue: string, limit: number): Promise<number>;
  /** Lets this process look for jobs of the queue at once instead of at the next poll. */
  wake(queue: string): void;
}

interface Workers<Data> {
  /** Jobs at a time in this process. */
  count: number;
  handle: Handler<Data>;
}

interface JobsOptions {
  url: string;
  log: Log;
  queues: Queue[];
}

/** Loads and starts `pg-boss`; several processes may do so at once. */
export async function startJobs({ url, log, queues }: JobsOptions): Promise<Jobs> {
  const { PgBoss, fromKysely } = await import("pg-boss");
  const boss = new PgBoss({
    connectionString: url,
    application_name: "sotto-jobs",
    max: connections,
    schedule: false,
    monitorVacuum: false,
    superviseIntervalSeconds: superviseSeconds,
    monitorIntervalSeconds: superviseSeconds,
  });
  boss.on("error", (error) => log.warn({ err: error }, "jobs"));
  await boss.start();
  for (const { name, ...options } of queues) {
    await boss.createQueue(name, { heartbeatSeconds, ...options });
    const { policy: _, partition: __, ...changeable } = options;
    await boss.updateQueue(name, changeable);
  }
  const workers = new Map<string, string[]>();
  const wake = (queue: string): void => {
    for (const id of workers.get(queue) ?? []) boss.notifyWorker(id);
  };
  return {
    insert: async (tx, queue, jobs) => void (await boss.insert(queue, jobs, { db: fromKysely(tx) })),
    complete: async (tx, job) => void (await boss.complete(job.name, job, null, { db: fromKysely(tx) })),
    work: async (queue, options) => void workers.set(queue, await startWorkers(boss, queue, options)),
    countDead: async (queue, limit) => (await boss.previewRedrive(queue, { limit })).total,
    redrive: (queue, limit) => boss.redrive(queue, { limit }),
    wake,
    [Symbol.asyncDispose]: () => boss.stop({ graceful: true, timeout: drainMs }),
  };
}

/** Each worker looks for the next job as soon as it is done with one. */
async function startWorkers<Data extends object>(
  boss: PgBoss,
  queue: string,
  { count, handle }: Workers<Data>,
): Promise<string[]> {
  const options = { pollingIntervalSeconds: pollingSeconds };
  const start = async (): Promise<string> => {
    const id: string = await boss.work<Data>(queue, options, async ([job]) => {
      if (job) await handle(job).finally(() => boss.notifyWorker(id));
    });
    return id;
  };
  return Promise.all(Array.from({ length: count }, start));
}

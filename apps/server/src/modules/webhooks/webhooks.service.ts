import type { Job, Queue } from "pg-boss";
import type { Config } from "../../config.ts";
import type { Db, Tx } from "../../db/db.ts";
import type { Post } from "../../egress/post.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import type { Log } from "../../log.ts";
import type { OutgoingEvent } from "../outgoing/events.ts";
import { readEndpoints, type Endpoint } from "./endpoints.ts";
import type { EndpointKey } from "./webhooks.tables.ts";
import { signWebhook } from "./signature.ts";
import {
  buryEvent,
  deleteEvent,
  insertEvents,
  listWaiting,
  listWaitingStreams,
  lockStream,
  type Stream,
} from "./webhooks.queries.ts";

export { deleteDead as deleteDeadWebhooks } from "./webhooks.queries.ts";

const workersPerEndpoint = 4;
const pageSize = 20;
/** A stream that is never empty gives way to others after this. */
const maxPumpMs = 15_000;
const maxRequeued = 10_000;
const daySeconds = 86_400;

/** Each endpoint has a queue and workers of its own, so that a slow one holds up no other. */
const queueOf = (endpoint: EndpointKey): string => `webhooks/${endpoint}`;

/** One job for each stream with something to send: `exclusive` lets no second one in. */
export function describeWebhookQueues(config: Config): Queue[] {
  return [...readEndpoints(config).keys()].map((endpoint) => ({
    name: queueOf(endpoint),
    policy: "exclusive",
    retryLimit: 10_000,
    retryDelay: config.WEBHOOK_RETRY_DELAY_SECS,
    retryDelayMax: 3_600,
    retryBackoff: true,
    expireInSeconds: 180,
    retentionSeconds: 60 * daySeconds,
    deleteAfterSeconds: 3_600,
  }));
}

export interface Webhooks {
  /** Stores the events for every endpoint that wants them, in the transaction of the change. */
  store(tx: Tx, events: readonly OutgoingEvent[]): Promise<void>;
  /** After the commit: lets this process deliver at once. */
  wake(): void;
}

export interface WebhookParts {
  config: Config;
  db: Db;
  jobs: Jobs;
  post: Post;
  log: Log;
  now: () => Date;
  newId: () => string;
  /** Aborted when the process is about to stop. */
  stopping: AbortSignal;
}

/**
 * Delivers at least once, and in order for each conversation and endpoint: their events are a
 * numbered stream in `webhook_events`, which one job at a time empties from its start.
 */
export async function startWebhooks(parts: WebhookParts): Promise<Webhooks> {
  const endpoints = readEndpoints(parts.config);
  const pump = createPump(parts, endpoints);
  for (const key of endpoints.keys()) {
    await parts.jobs.work<Stream>(queueOf(key), { count: workersPerEndpoint, handle: pump });
  }
  const left = (await listWaitingStreams(parts.db, maxRequeued)).filter((one) => endpoints.has(one.endpoint));
  await parts.db.transaction().execute((tx) => enqueue(parts.jobs, tx, left));
  return {
    store: (tx, events) => store(parts, tx, { endpoints: [...endpoints.values()], events }),
    wake: () => {
      for (const key of endpoints.keys()) parts.jobs.wake(queueOf(key));
    },
  };
}

async function store(
  { config, jobs, now, newId }: WebhookParts,
  tx: Tx,
  { endpoints, events }: { endpoints: Endpoint[]; events: readonly OutgoingEvent[] },
): Promise<void> {
  const at = now();
  const retryUntil = new Date(at.getTime() + config.WEBHOOK_RETRY_FOR_SECS * 1000);
  const stored = events.flatMap(({ name, conversationId, data }) => {
    const [id, body] = [newId(), JSON.stringify(data)];
    return endpoints
      .filter(({ wants }) => wants(name))
      .map(({ key }) => ({ conversationId, endpoint: key, id, event: name, body, at, retryUntil }));
  });
  if (stored.length === 0) return;
  await insertEvents(tx, stored);
  await enqueue(jobs, tx, stored);
}

/** The caller holds the streams' rows, so no job of theirs can end without seeing what was stored. */
export async function enqueue(jobs: Jobs, tx: Tx, streams: Stream[], startAfterSecs = 0): Promise<void> {
  for (const [endpoint, ofEndpoint] of Map.groupBy(streams, (stream) => stream.endpoint)) {
    const conversations = new Set(ofEndpoint.map(({ conversationId }) => conversationId));
    const inserted = [...conversations].map((conversationId) => ({
      singletonKey: conversationId,
      data: { conversationId, endpoint },
      startAfter: startAfterSecs,
    }));
    await jobs.insert(tx, queueOf(endpoint), inserted);
  }
}

/** The endpoint did not take the event; the job is tried again after a growing pause. */
class NotDelivered extends Error {
  override readonly name = "NotDelivered";
}

function createPump(parts: WebhookParts, endpoints: ReadonlyMap<string, Endpoint>) {
  const { db, jobs, config } = parts;

  /** Sends what waits, from the start; ends when nothing is left, something fails, or its time is up. */
  return async (job: Job<Stream>): Promise<void> => {
    const stream = job.data;
    const endpoint = endpoints.get(stream.endpoint);
    // Configured no more: what waits is taken up when it is configured again.
    if (!endpoint) return;
    const until = performance.now() + maxPumpMs;
    let hasMoved = false;
    for (;;) {
      const events = await listWaiting(db, stream, pageSize);
      if (events.length === 0 && (await endIfEmpty(job))) return;
      for (const event of events) {
        const outcome = await deliver(parts, { endpoint, stream, event });
        if (outcome === "failed") {
          if (!hasMoved) throw new NotDelivered("The endpoint did not take the event");
          return goOnLater(job, config.WEBHOOK_RETRY_DELAY_SECS);
        }
        hasMoved = true;
        if (parts.stopping.aborted || performance.now() > until) return goOnLater(job, 0);
      }
    }
  };

  /** Under the stream's lock nobody can be storing an event that this job would have to send. */
  function endIfEmpty(job: Job<Stream>): Promise<boolean> {
    return db.transaction().execute(async (tx) => {
      await lockStream(tx, job.data);
      if ((await listWaiting(tx, job.data, 1)).length > 0) return false;
      await jobs.complete(tx, job);
      return true;
    });
  }

  /** A new job takes over, whose pauses begin small again. */
  function goOnLater(job: Job<Stream>, startAfterSecs: number): Promise<void> {
    return db.transaction().execute(async (tx) => {
      await lockStream(tx, job.data);
      await jobs.complete(tx, job);
      await enqueue(jobs, tx, [job.data], startAfterSecs);
    });
  }
}

interface Delivery {
  endpoint: Endpoint;
  stream: Stream;
  event: { seq: number; id: string; event: string; body: string; retry_until: Date };
}

/** One try. What fails after its time for retries is over is set aside, so that the next ones can follow. */
async function deliver(
  parts: WebhookParts,
  { endpoint, stream, event }: Delivery,
): Promise<"delivered" | "buried" | "failed"> {
  const { db, log, now } = parts;
  const problem = await attempt(parts, { endpoint, stream, event });
  if (problem === undefined) {
    await deleteEvent(db, stream, event.seq);
    return "delivered";
  }
  const about = { endpoint: new URL(endpoint.url).host, event: event.event, webhookId: event.id };
  if (now() < event.retry_until) {
    log.info({ ...about, err: problem }, "a webhook was not taken");
    return "failed";
  }
  await buryEvent(db, stream, { seq: event.seq, at: now() });
  log.warn({ ...about, err: problem }, "a webhook was given up; npm run webhooks:redrive sends it again");
  return "buried";
}

async function attempt(parts: WebhookParts, { endpoint, event }: Delivery): Promise<Error | undefined> {
  const { config, post, now } = parts;
  const ts = Math.floor(now().getTime() / 1000);
  try {
    const { status } = await post(endpoint.url, {
      headers: { "content-type": "application/json", ...signWebhook(endpoint.secret, { ...event, ts }) },
      body: event.body,
      timeoutMs: config.WEBHOOK_TIMEOUT_SECS * 1000,
    });
    return status >= 200 && status < 300 ? undefined : new Error(`It answered ${status}`);
  } catch (error) {
    return error instanceof Error ? error : new Error("It could not be reached");
  }
}

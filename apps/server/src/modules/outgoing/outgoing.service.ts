import type { Redis } from "ioredis";
import type { Wake } from "../../bus/bus.ts";
import type { Config } from "../../config.ts";
import type { Db, Tx } from "../../db/db.ts";
import { createPost } from "../../egress/post.ts";
import { startJobs, type Jobs } from "../../jobs/jobs.ts";
import type { Log } from "../../log.ts";
import { countRoster } from "../conversations/conversations.service.ts";
import type { PresenceStore } from "../presence/presence-store.ts";
import type { Rosters } from "../sync/rosters.ts";
import { loadPushProvider } from "../push/load-provider.ts";
import { describePushQueues, startPushes } from "../push/push.service.ts";
import { describeWebhookQueues, startWebhooks } from "../webhooks/webhooks.service.ts";
import { deriveEvents, type OutgoingEvent } from "./events.ts";
import { createNotify } from "./notify.ts";

/** What leaves the server about a transaction. */
export interface Outgoing extends AsyncDisposable {
  /** Nothing is stored: `derive` after the commit does as well as `store` before it. */
  isTransient: boolean;
  /** In the transaction: stores what must not be lost. Gives what is to be told after the commit. */
  store(tx: Tx, wakes: readonly Wake[]): Promise<OutgoingEvent[]>;
  /** What is to be told of the wakes of a commit. */
  derive(db: Db, wakes: readonly Wake[]): Promise<OutgoingEvent[]>;
  /** After the commit. */
  publish(events: readonly OutgoingEvent[]): void;
}

export interface OutgoingParts {
  config: Config & { DB_URL: string };
  db: Db;
  rosters: Rosters;
  presence: PresenceStore;
  redis: Redis | undefined;
  log: Log;
  now: () => Date;
  newId: () => string;
}

/** With webhooks and push off, nothing is stored, and `pg-boss` is not even loaded. */
export async function startOutgoing(parts: OutgoingParts): Promise<Outgoing> {
  const { config, log, rosters } = parts;
  const notify = createNotify(config, parts);
  const derive = (db: Db | Tx, wakes: readonly Wake[]) => deriveCounted(db, wakes, rosters);
  const hasPush = config.PUSH_PROVIDER !== "none";
  if (!config.WEBHOOK_ENABLED && !hasPush) {
    return {
      isTransient: true,
      store: derive,
      derive,
      publish: notify,
      [Symbol.asyncDispose]: async () => {},
    };
  }
  await using cleanup = new AsyncDisposableStack();
  const post = cleanup.use(createPost(config));
  const queues = [...describeWebhookQueues(config), ...(hasPush ? describePushQueues(config) : [])];
  const jobs: Jobs = cleanup.use(await startJobs({ url: config.DB_URL, log, queues }));
  const stopping = new AbortController();
  cleanup.defer(() => stopping.abort());
  const webhooks = config.WEBHOOK_ENABLED
    ? await startWebhooks({ ...parts, jobs, post, stopping: stopping.signal })
    : undefined;
  const pushes = hasPush
    ? await startPushes({ ...parts, jobs }, await loadPushProvider(config, post))
    : undefined;
  const owned = cleanup.move();
  return {
    isTransient: false,
    derive,
    store: async (tx, wakes) => {
      const events = await derive(tx, wakes);
      if (events.length > 0) await webhooks?.store(tx, events);
      await pushes?.store(tx, wakes);
      return events;
    },
    publish: (events) => {
      notify(events);
      if (events.length > 0) webhooks?.wake();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Groups that nobody was told of since this process started, or since their members changed, are counted first. */
async function deriveCounted(
  db: Db | Tx,
  wakes: readonly Wake[],
  rosters: Rosters,
): Promise<OutgoingEvent[]> {
  const counts = new Map<string, number>();
  for (const wake of wakes) {
    if (wake.kind !== "entry" || wake.entry.body.type !== "message.created") continue;
    const { audience } = wake;
    if (!("rosterSeq" in audience)) continue;
    const { conversationId, rosterSeq } = audience;
    counts.set(
      conversationId,
      rosters.countKnown(audience) ?? (await countRoster(db, conversationId, rosterSeq)),
    );
  }
  return deriveEvents(wakes, ({ conversationId }) => counts.get(conversationId) ?? 0);
}

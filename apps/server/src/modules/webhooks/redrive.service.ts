import type { Config } from "../../config.ts";
import type { Db } from "../../db/db.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import { readEndpoints } from "./endpoints.ts";
import { reviveEvents } from "./webhooks.queries.ts";
import { enqueue } from "./webhooks.service.ts";
import type { EndpointKey } from "./webhooks.tables.ts";

export { countByEndpoint as countWebhooks, listDead as listDeadWebhooks } from "./webhooks.queries.ts";
export { describeWebhookQueues } from "./webhooks.service.ts";

/** The configured endpoints: key to URL. */
export function namesOfEndpoints(config: Config): Map<EndpointKey, string> {
  return new Map([...readEndpoints(config)].map(([key, { url }]) => [key, url]));
}

/** Lets given-up events wait to be sent again, with the whole time for retries; gives how many. */
export function redriveDead(
  { config, db, jobs }: { config: Config; db: Db; jobs: Jobs },
  chosen: { endpoint: EndpointKey | undefined; limit: number; at: Date },
): Promise<number> {
  const endpoints = chosen.endpoint ? [chosen.endpoint] : [...readEndpoints(config).keys()];
  const retryUntil = new Date(chosen.at.getTime() + config.WEBHOOK_RETRY_FOR_SECS * 1000);
  return db.transaction().execute(async (tx) => {
    const streams = await reviveEvents(tx, { endpoints, retryUntil, limit: chosen.limit });
    await enqueue(jobs, tx, streams);
    return streams.length;
  });
}

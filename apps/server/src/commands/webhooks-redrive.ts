import { parseArgs } from "node:util";
import type { Config } from "../config.ts";
import { openDatabase, type Db } from "../db/db.ts";
import { startJobs } from "../jobs/jobs.ts";
import { createLog } from "../log.ts";
import {
  countWebhooks,
  describeWebhookQueues,
  listDeadWebhooks,
  namesOfEndpoints,
  redriveDead,
} from "../modules/webhooks/redrive.service.ts";
import { CommandError } from "./command-error.ts";
import { findDatabaseUrl } from "./database-url.ts";
import type { CommandCall } from "./main.ts";
import { parseLimit } from "./parse-limit.ts";

const help = `npm run webhooks:redrive -- [options]

Sends webhooks again that were given up after WEBHOOK_RETRY_FOR_SECS. The running server posts them.

  --list           counts what waits and what was given up, names the latter, and changes nothing
  --url URL        only those of this endpoint
  --limit N        at most N of them, the oldest first (1000)
  --help           this text

It reads the same environment, and .env, as the server.`;

export async function redriveWebhooks({ config, args, print }: CommandCall): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      list: { type: "boolean" },
      url: { type: "string" },
      limit: { type: "string", default: "1000" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return print(help);
  const limit = parseLimit(values.limit);
  const names = namesOfEndpoints(config);
  if (names.size === 0) {
    throw new CommandError(
      "Webhooks are off: set WEBHOOK_ENABLED and CHAT_WEBHOOK_ENDPOINTS_JSON as for the server.",
    );
  }
  const endpoint = values.url === undefined ? undefined : findEndpoint(names, values.url);
  const url = await findDatabaseUrl(config);
  await using database = openDatabase({ url, maxConnections: 2 });
  await printCounts(database.db, names, print);
  if (values.list) {
    for (const { id, event, created_at } of await listDeadWebhooks(database.db, { endpoint, limit })) {
      print(`  ${created_at.toISOString()}  ${event}  ${id}`);
    }
    return;
  }
  const revived = await redrive(config, { db: database.db, url, endpoint, limit });
  print(`${revived} ${revived === 1 ? "webhook is" : "webhooks are"} sent again.`);
}

type Names = ReturnType<typeof namesOfEndpoints>;

function findEndpoint(names: Names, url: string) {
  const found = [...names].find(([, name]) => name === url);
  if (!found) throw new CommandError(`${url} is not in CHAT_WEBHOOK_ENDPOINTS_JSON.`);
  return found[0];
}

async function printCounts(db: Db, names: Names, print: CommandCall["print"]): Promise<void> {
  const counts = await countWebhooks(db);
  for (const [key, name] of names) {
    const { stored, dead } = counts.find(({ endpoint }) => endpoint === key) ?? { stored: 0, dead: 0 };
    print(`${name}: ${stored - dead} waiting, ${dead} given up`);
  }
  for (const { endpoint, stored } of counts) {
    if (!names.has(endpoint)) print(`an endpoint that is configured no more: ${stored} stored`);
  }
}

async function redrive(
  config: Config,
  {
    db,
    url,
    ...chosen
  }: { db: Db; url: string; endpoint: ReturnType<typeof findEndpoint> | undefined; limit: number },
): Promise<number> {
  const log = createLog("warn");
  await using jobs = await startJobs({ url, log, queues: describeWebhookQueues(config) });
  return await redriveDead({ config, db, jobs }, { ...chosen, at: new Date() });
}

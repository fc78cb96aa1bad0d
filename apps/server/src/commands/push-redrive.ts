import { parseArgs } from "node:util";
import { startJobs } from "../jobs/jobs.ts";
import { createLog } from "../log.ts";
import { deadPushQueue, describePushQueues } from "../modules/push/push.service.ts";
import { CommandError } from "./command-error.ts";
import { findDatabaseUrl } from "./database-url.ts";
import type { CommandCall } from "./main.ts";
import { parseLimit } from "./parse-limit.ts";

const help = `npm run push:redrive -- [options]

Sends pushes again that were given up after PUSH_RETRY_LIMIT tries. The running server sends them, to
devices that still lack what they were about.

  --list           counts what was given up, up to the limit, and changes nothing
  --limit N        at most N of them, the oldest first (1000)
  --help           this text

It reads the same environment, and .env, as the server.`;

export async function redrivePushes({ config, args, print }: CommandCall): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      list: { type: "boolean" },
      limit: { type: "string", default: "1000" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return print(help);
  const limit = parseLimit(values.limit);
  if (config.PUSH_PROVIDER === "none") {
    throw new CommandError("Push is off: set PUSH_PROVIDER and what it needs as for the server.");
  }
  const url = await findDatabaseUrl(config);
  await using jobs = await startJobs({ url, log: createLog("warn"), queues: describePushQueues(config) });
  print(`${await jobs.countDead(deadPushQueue, limit)} given up`);
  if (values.list) return;
  const count = await jobs.redrive(deadPushQueue, limit);
  print(`${count} ${count === 1 ? "push is" : "pushes are"} sent again.`);
}

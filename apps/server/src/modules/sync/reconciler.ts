import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import type { App } from "../../app.ts";
import { listLogEnds } from "../logs/logs.service.ts";

const periodMs = 2_000;
/** Covers transactions that commit late and other machines' clocks. */
const overlapMs = 30_000;
const usersPerQuery = 500;
/** What was committed just now is on its way: only what has not come by then is looked for. */
const graceMs = 250;

/**
 * Finds wakes that were lost: compares what the connected users' feeds were told with the ends of
 * their logs, every two seconds and at once after the bus came back.
 */
export function startReconciler(app: App): Disposable {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let isRunning = false;
  let since = app.now().getTime() - overlapMs;

  const compare = async (): Promise<void> => {
    const startedAt = app.now().getTime();
    const users = app.hub.users();
    const found: Awaited<ReturnType<typeof listLogEnds>> = [];
    for (let start = 0; start < users.length; start += usersPerQuery) {
      found.push(...(await listLogEnds(app.db, users.slice(start, start + usersPerQuery), new Date(since))));
    }
    await pause(graceMs, undefined, { ref: false });
    // Whatever came in while this process was busy is heard first.
    await nextTurn();
    if (isStopped) return;
    for (const { userId, log, lastSeq } of found) {
      for (const feed of app.hub.feedsOf(userId)) feed.hearOf(log, lastSeq);
    }
    since = startedAt - overlapMs;
  };
  const run = (): void => {
    if (isRunning || isStopped) return;
    isRunning = true;
    clearTimeout(timer);
    compare()
      .catch((error: unknown) => app.log.warn({ err: error }, "comparing logs failed"))
      .finally(() => {
        isRunning = false;
        if (!isStopped) timer = setTimeout(run, periodMs);
      });
  };
  app.bus.onGap(run);
  timer = setTimeout(run, periodMs);
  return {
    [Symbol.dispose]: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

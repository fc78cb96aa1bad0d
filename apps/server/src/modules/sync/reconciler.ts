import type { App } from "../../app.ts";
import { listLogEnds } from "../logs/logs.service.ts";

const periodMs = 2_000;
/** Covers transactions that commit late and other machines' clocks. */
const overlapMs = 30_000;
const usersPerQuery = 500;

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
    for (let start = 0; start < users.length; start += usersPerQuery) {
      const ends = await listLogEnds(app.db, users.slice(start, start + usersPerQuery), new Date(since));
      for (const { userId, log, lastSeq } of ends) {
        for (const feed of app.hub.feedsOf(userId)) feed.hearOf(log, lastSeq);
      }
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

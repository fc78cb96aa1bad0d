import type { App } from "../../app.ts";
import type { SessionEnd, SessionId } from "./accounts.tables.ts";
import { listSessionsChangedSince } from "./sessions.queries.ts";

const pollMs = 250;
/** Covers other machines' clocks and transactions that commit late. */
const lookBackMs = 15_000;

/** Acts on one session's change: the cache forgets it, and its sockets close when it has ended. */
export function applySessionChange(
  app: Pick<App, "sessions" | "hub">,
  change: { sessionId: SessionId; end: SessionEnd | null },
): void {
  app.sessions.forget(change.sessionId);
  if (change.end) app.hub.closeSession(change.sessionId, change.end);
}

/**
 * Ends what other processes ended, within a second and without relying on the bus: reads the
 * sessions that changed lately. An ended session is acted on for as long as it is read, since a
 * call that was being authenticated meanwhile may have put it back into the cache.
 */
export function watchSessions(app: App): Disposable {
  let seen = new Map<SessionId, number>();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  const poll = async (): Promise<void> => {
    const since = new Date(app.now().getTime() - lookBackMs);
    const read = new Map<SessionId, number>();
    for (const { id, changed_at, end_reason } of await listSessionsChangedSince(app.db, since)) {
      read.set(id, changed_at.getTime());
      if (!end_reason && seen.get(id) === changed_at.getTime()) continue;
      applySessionChange(app, { sessionId: id, end: end_reason });
    }
    seen = read;
  };
  const run = (): void => {
    poll()
      .catch((error: unknown) => app.log.warn({ err: error }, "reading changed sessions failed"))
      .finally(() => {
        if (!isStopped) timer = setTimeout(run, pollMs);
      });
  };
  run();
  return {
    [Symbol.dispose]: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

import type { App } from "../../app.ts";
import type { SessionEnd, SessionId } from "./accounts.tables.ts";
import { listSessionsChangedSince } from "./sessions.queries.ts";

const pollMs = 400;
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
 * sessions that changed lately. Each change is acted on once.
 */
export function watchSessions(app: App): Disposable {
  const seen = new Map<SessionId, number>();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  const poll = async (): Promise<void> => {
    const since = new Date(app.now().getTime() - lookBackMs);
    for (const session of await listSessionsChangedSince(app.db, since)) {
      const isKnown = seen.has(session.id) && (seen.get(session.id) === 1 || !session.ended_at);
      if (isKnown) continue;
      seen.set(session.id, session.ended_at ? 1 : 0);
      applySessionChange(app, { sessionId: session.id, end: session.end_reason });
    }
    if (seen.size > 10_000) seen.clear();
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

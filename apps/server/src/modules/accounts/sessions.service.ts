import { transact } from "../../pipeline/transact.ts";
import type { Call } from "../../pipeline/call.ts";
import { endSession } from "./sessions.queries.ts";

/** Ends the caller's session: its token is refused from now on and its sockets close. */
export async function logout(call: Call) {
  const { sessionId } = call.caller;
  return transact(call, async (tx, wakes) => {
    await endSession(tx, { id: sessionId, reason: "token", at: call.app.now() });
    wakes.push({ kind: "session_changed", sessionId, end: "token" });
    return { detail: "ok" as const };
  });
}

/** What other modules and maintenance need of sessions. */
export { deleteExpiredSessions, endSessionsOfDevice, linkDevice } from "./sessions.queries.ts";

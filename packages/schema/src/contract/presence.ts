import * as presence from "../domains/presence.ts";
import type { Procedures } from "../procedure.ts";

export const presenceProcedures = {
  get: {
    kind: "query",
    access: "user",
    limit: "general",
    summary: "Whether a user is connected, and when last seen",
    ...presence.get,
    rest: { method: "GET", path: "/presence/{user_id}" },
    errors: [],
  },
  ping: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Set my last_seen to now",
    ...presence.ping,
    rest: { method: "POST", path: "/presence/ping" },
    errors: [],
  },
} as const satisfies Procedures;

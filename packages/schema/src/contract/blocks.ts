import * as blocks from "../domains/blocks.ts";
import { ok } from "../primitives.ts";
import type { Procedures } from "../procedure.ts";

export const blocksProcedures = {
  add: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Block a user: nothing passes between us, and neither sees the other's presence",
    ...blocks.change,
    output: ok,
    creates: true,
    rest: { method: "POST", path: "/blocks", query: ["blocked_user_id"] },
  },
  remove: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Take a block back; ok also when there is none",
    ...blocks.change,
    output: ok,
    rest: { method: "DELETE", path: "/blocks", query: ["blocked_user_id"] },
  },
  list: {
    kind: "query",
    access: "user",
    limit: "general",
    summary: "List the users that I have blocked, in the order in which they were",
    ...blocks.list,
    rest: { method: "GET", path: "/blocks" },
  },
} as const satisfies Procedures;

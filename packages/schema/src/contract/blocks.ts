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
    errors: ["BLOCK_SELF", "USER_NOT_FOUND", "BLOCK_LIMIT_REACHED"],
  },
  remove: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Take a block back; ok also when there is none",
    ...blocks.change,
    output: ok,
    rest: { method: "DELETE", path: "/blocks", query: ["blocked_user_id"] },
    errors: [],
  },
  list: {
    kind: "query",
    access: "user",
    limit: "general",
    summary: "List the users that I have blocked, in the order in which they were",
    ...blocks.list,
    rest: { method: "GET", path: "/blocks" },
    errors: [],
  },
} as const satisfies Procedures;

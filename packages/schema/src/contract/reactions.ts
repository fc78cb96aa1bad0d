import * as reactions from "../domains/reactions.ts";
import { ok } from "../primitives.ts";
import type { Procedures } from "../procedure.ts";

export const reactionsProcedures = {
  add: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "React to a message; the same emoji again gives the same reaction",
    ...reactions.add,
    creates: true,
    rest: { method: "POST", path: "/messages/{message_id}/reactions" },
    errors: [
      "MESSAGE_NOT_FOUND",
      "RECIPIENT_BLOCKED",
      "YOU_ARE_BLOCKED",
      "GROUP_ARCHIVED",
      "REACTION_LIMIT_REACHED",
    ],
  },
  list: {
    kind: "query",
    access: "user",
    limit: "general",
    summary: "The reactions to a message, oldest first",
    ...reactions.list,
    rest: { method: "GET", path: "/messages/{message_id}/reactions" },
    errors: ["MESSAGE_NOT_FOUND"],
  },
  remove: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Take a reaction back",
    ...reactions.remove,
    output: ok,
    rest: { method: "DELETE", path: "/messages/{message_id}/reactions", query: ["emoji"] },
    errors: ["MESSAGE_NOT_FOUND"],
  },
} as const satisfies Procedures;

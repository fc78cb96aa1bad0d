import * as messages from "../domains/messages.ts";
import type { Procedures } from "../procedure.ts";

export const conversationsProcedures = {
  open: {
    kind: "mutation",
    access: "user",
    limit: "general",
    summary: "Get the direct conversation with a user, made when there is none",
    ...messages.open,
    creates: true,
    rest: { method: "POST", path: "/conversations/direct" },
    errors: ["RECIPIENT_SELF", "RECIPIENT_NOT_FOUND", "RECIPIENT_BLOCKED", "YOU_ARE_BLOCKED"],
  },
} as const satisfies Procedures;

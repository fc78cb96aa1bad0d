import * as audit from "../domains/audit.ts";
import type { Procedures } from "../procedure.ts";

export const auditProcedures = {
  list: {
    kind: "query",
    access: "user",
    limit: "general",
    summary: "The moderation acts in a group, newest first (owner or admin)",
    ...audit.list,
    rest: { method: "GET", path: "/admin/audit" },
    errors: ["GROUP_NOT_FOUND", "ONLY_MODERATORS"],
  },
} as const satisfies Procedures;

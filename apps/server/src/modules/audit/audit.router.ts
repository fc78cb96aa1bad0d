import type { Handlers } from "../../pipeline/call.ts";
import { getAudit } from "./audit.service.ts";

export const auditRouter: Handlers<"audit"> = {
  list: getAudit,
};

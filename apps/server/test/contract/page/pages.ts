import { attachmentsRoutes } from "./attachments-routes.ts";
import { authRoutes } from "./auth-routes.ts";
import { avatarRoutes } from "./avatar-routes.ts";
import { groupsRoutes } from "./groups-routes.ts";
import { historyRoutes } from "./history-routes.ts";
import { invitesRoutes } from "./invites-routes.ts";
import { keysRoutes } from "./keys-routes.ts";
import { messagesRoutes } from "./messages-routes.ts";
import type { PageRoute } from "./page.ts";
import { paymentsRoutes } from "./payments-routes.ts";
import { peopleRoutes } from "./people-routes.ts";

/** Every route of the wire contract's page. */
export const pageRoutes: PageRoute[] = [
  ...authRoutes,
  ...keysRoutes,
  ...peopleRoutes,
  ...messagesRoutes,
  ...historyRoutes,
  ...attachmentsRoutes,
  ...groupsRoutes,
  ...avatarRoutes,
  ...invitesRoutes,
  ...paymentsRoutes,
];

/** What the contract has beyond the page. */
export const additions = [
  "POST /auth/logout",
  "POST /keys/query",
  "GET /auth/pin",
  "PUT /auth/pin",
  "DELETE /auth/pin",
  "POST /device_lists",
  "POST /device_lists/query",
  "GET /device_lists/{user_id}",
  "GET /device_lists/me/handover",
  "POST /conversations/direct",
  "POST /uploads",
  "GET /uploads/{upload_id}",
  "PUT /uploads/{upload_id}",
  "DELETE /uploads/{upload_id}",
  "POST /messages/{id}/attachments/uploaded",
  "GET /groups/{id}/invites",
  "DELETE /groups/{id}/invites/{code}",
  "GET /admin/audit",
];

/** Served beside the contract. */
export const operations = ["GET /health", "GET /metrics", "GET /openapi.json", "GET /docs"];

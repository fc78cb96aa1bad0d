import { attachmentsRoutes } from "./attachments-routes.ts";
import { authRoutes } from "./auth-routes.ts";
import { avatarRoutes } from "./avatar-routes.ts";
import { groupsRoutes } from "./groups-routes.ts";
import { historyRoutes } from "./history-routes.ts";
import { invitesRoutes } from "./invites-routes.ts";
import { keysRoutes } from "./keys-routes.ts";
import { messagesRoutes } from "./messages-routes.ts";
import { templateOf, type PageRoute } from "./page.ts";
import { paymentsRoutes } from "./payments-routes.ts";
import { peopleRoutes } from "./people-routes.ts";
import { contractRoutes } from "../contract-routes.ts";

/** The routes of the wire contract's page. */
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
].filter((each) =>
  contractRoutes.some((c) => templateOf(`${c.method} ${c.template}`) === templateOf(each.route)),
);

import type { AllHandlers } from "../pipeline/call.ts";
import { accountsRouter } from "./accounts/accounts.router.ts";
import { blocksRouter } from "./blocks/blocks.router.ts";
import { contactsRouter } from "./contacts/contacts.router.ts";
import { auditRouter } from "./audit/audit.router.ts";
import { archiveRouter } from "./archive/archive.router.ts";
import { attachmentsRouter } from "./attachments/attachments.router.ts";
import { conversationsRouter } from "./conversations/conversations.router.ts";
import { deviceListsRouter } from "./device-lists/device-lists.router.ts";
import { devicesRouter } from "./devices/devices.router.ts";
import { groupsRouter } from "./groups/groups.router.ts";
import { invitesRouter } from "./invites/invites.router.ts";
import { messagesRouter } from "./messages/messages.router.ts";
import { paymentsRouter } from "./payments/payments.router.ts";
import { presenceRouter } from "./presence/presence.router.ts";
import { reactionsRouter } from "./reactions/reactions.router.ts";
import { uploadsRouter } from "./uploads/uploads.router.ts";
import { syncRouter } from "./sync/sync.router.ts";

/** Every procedure of the contract: one that is missing, or of another type, does not compile. */
export const handlers: AllHandlers = {
  auth: accountsRouter,
  keys: devicesRouter,
  deviceLists: deviceListsRouter,
  contacts: contactsRouter,
  blocks: blocksRouter,
  presence: presenceRouter,
  conversations: conversationsRouter,
  messages: messagesRouter,
  attachments: attachmentsRouter,
  uploads: uploadsRouter,
  groups: groupsRouter,
  invites: invitesRouter,
  audit: auditRouter,
  reactions: reactionsRouter,
  archive: archiveRouter,
  payments: paymentsRouter,
  sync: syncRouter,
};

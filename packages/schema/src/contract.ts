import { auditProcedures } from "./contract/audit.ts";
import { archiveProcedures } from "./contract/archive.ts";
import { attachmentsProcedures } from "./contract/attachments.ts";
import { authProcedures } from "./contract/auth.ts";
import { blocksProcedures } from "./contract/blocks.ts";
import { contactsProcedures } from "./contract/contacts.ts";
import { conversationsProcedures } from "./contract/conversations.ts";
import { deviceListsProcedures } from "./contract/device-lists.ts";
import { groupsProcedures } from "./contract/groups.ts";
import { invitesProcedures } from "./contract/invites.ts";
import { keysProcedures } from "./contract/keys.ts";
import { messagesProcedures } from "./contract/messages.ts";
import { paymentsProcedures } from "./contract/payments.ts";
import { presenceProcedures } from "./contract/presence.ts";
import { reactionsProcedures } from "./contract/reactions.ts";
import { syncProcedures } from "./contract/sync.ts";
import { uploadsProcedures } from "./contract/uploads.ts";
import type { ContractTable } from "./procedure.ts";

/**
 * Every procedure there is, by area. The tRPC router, the SDK's calls, the REST routes and the OpenAPI
 * document all follow from this table.
 */
export const contract = {
  auth: authProcedures,
  keys: keysProcedures,
  deviceLists: deviceListsProcedures,
  contacts: contactsProcedures,
  blocks: blocksProcedures,
  presence: presenceProcedures,
  conversations: conversationsProcedures,
  messages: messagesProcedures,
  attachments: attachmentsProcedures,
  uploads: uploadsProcedures,
  groups: groupsProcedures,
  invites: invitesProcedures,
  audit: auditProcedures,
  reactions: reactionsProcedures,
  archive: archiveProcedures,
  payments: paymentsProcedures,
  sync: syncProcedures,
} as const satisfies ContractTable;

export type Contract = typeof contract;

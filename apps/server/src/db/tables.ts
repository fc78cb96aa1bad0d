import type { ArchiveTables } from "../modules/archive/archive.tables.ts";
import type { ReactionTables } from "../modules/reactions/reactions.tables.ts";
import type { AccountTables } from "../modules/accounts/accounts.tables.ts";
import type { BlockTables } from "../modules/blocks/blocks.tables.ts";
import type { ContactTables } from "../modules/contacts/contacts.tables.ts";
import type { AuditTables } from "../modules/audit/audit.tables.ts";
import type { AttachmentTables } from "../modules/attachments/attachments.tables.ts";
import type { BlobTables } from "../modules/blobs/blobs.tables.ts";
import type { ConversationTables } from "../modules/conversations/conversations.tables.ts";
import type { DeviceListTables } from "../modules/device-lists/device-lists.tables.ts";
import type { DeviceTables } from "../modules/devices/devices.tables.ts";
import type { InviteTables } from "../modules/invites/invites.tables.ts";
import type { MessageTables } from "../modules/messages/messages.tables.ts";
import type { ReceiptTables } from "../modules/receipts/receipts.tables.ts";
import type { LogTables } from "../modules/logs/logs.tables.ts";
import type { PaymentTables } from "../modules/payments/payments.tables.ts";
import type { WebhookTables } from "../modules/webhooks/webhooks.tables.ts";
import type { MaintenanceTables } from "../maintenance.tables.ts";
import type { IdempotencyTables } from "../pipeline/idempotency.tables.ts";

export type Tables = AccountTables &
  BlobTables &
  AttachmentTables &
  DeviceTables &
  DeviceListTables &
  ConversationTables &
  MessageTables &
  ReceiptTables &
  LogTables &
  WebhookTables &
  PaymentTables &
  ContactTables &
  BlockTables &
  IdempotencyTables &
  MaintenanceTables &
  InviteTables &
  AuditTables &
  ReactionTables &
  ArchiveTables;

/** The Sotto contract: every procedure, event and error, as zod schemas and the types they give. */
export * from "./case.ts";
export * from "./contract.ts";
export * from "./device-list.ts";
export * from "./errors.ts";
export * from "./events.ts";
export * from "./key-bundle.ts";
export * from "./primitives.ts";
export * from "./procedure.ts";
export * from "./refusals.ts";
export * from "./router-type.ts";
export * from "./sealed.ts";
export * from "./strict-cbor.ts";
export * from "./version.ts";
export type { Block } from "./domains/blocks.ts";
export type { Contact } from "./domains/contacts.ts";
export type { AuditAction, AuditRow } from "./domains/audit.ts";
export {
  maxAvatarBytes,
  maxGroupMembers,
  type Group,
  type GroupRole,
  type GroupSummary,
} from "./domains/groups.ts";
export { maxLiveInvites, type Invite } from "./domains/invites.ts";
export { maxAttachments, maxInlineAttachmentBytes, type Attachment } from "./domains/attachments.ts";
export { maxListsOfEach, maxListsPerPage, type KnownDevices } from "./domains/device-lists.ts";
export { maxPublicKeyChars, maxQueriedUsers, type Device } from "./domains/keys.ts";
export type { UploadState } from "./domains/uploads.ts";
export {
  maxCiphertextBytes,
  maxRecipients,
  type Conversation,
  type Message,
  type Recipient,
} from "./domains/messages.ts";
export type { Presence } from "./domains/presence.ts";
export { maxFillEntries } from "./domains/sync.ts";
export { maxReactionsPerUser, type Reaction } from "./domains/reactions.ts";
export { type Export, type ImportItem } from "./domains/archive.ts";

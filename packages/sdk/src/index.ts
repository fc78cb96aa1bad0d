/**
 * `@sotto/sdk`: the client. Browsers, workers and Node 22 and later. What keeps it across restarts is in
 * `@sotto/sdk/browser` and `@sotto/sdk/node`.
 */
export type {
  Block,
  Contact,
  ConversationId,
  DeviceId,
  ErrorCode,
  Group as GroupInfo,
  GroupRole,
  GroupSummary,
  Invite,
  LogId,
  MessageId,
  Presence,
  UserId,
} from "@sotto/schema";
export type { Backup, BackupRefusal } from "./backup.ts";
export type { Client, ClientOptions, OtpRequest } from "./client-types.ts";
export { createClient } from "./client.ts";
export type { Contacts } from "./contacts.ts";
export type {
  Conversation,
  ConversationEvents,
  MessageHandle,
  MessagePage,
  PageOptions,
  TextOptions,
} from "./conversation.ts";
export type { Conversations, ExportOptions, ExportProgress, SearchOptions } from "./conversations.ts";
export type { FilePayload, MessageRef, TextPayload, UnknownPayload } from "./crypto/payload.ts";
export type { EnvelopeErrorCode } from "./crypto/errors.ts";
export type { KemName } from "./crypto/kems.ts";
export type { DeviceListRefusal } from "./crypto/device-list.ts";
export type { PublicKeyRefusal } from "./crypto/key-bundle.ts";
export type { PqPolicy, UnreachableDevice, UnreachableReason } from "./crypto/wrap-for-devices.ts";
export type { Devices, OwnDevice } from "./devices.ts";
export {
  type AnySottoError,
  type ClientErrorCode,
  type RetryAdvice,
  SottoError,
  type SottoErrorCode,
  type SottoErrorDetails,
} from "./errors.ts";
export type {
  ClientEvents,
  ClientStatus,
  DeviceListChange,
  IdentityEvent,
  OutboxEvent,
  Receipt,
  Resync,
  SequenceEvent,
  Typing,
  SessionOpened,
} from "./events.ts";
export type { FileSource } from "./files/bytes-streams.ts";
export { decryptFile } from "./files/decrypt-file.ts";
export { type EncryptedFile, type FileSeal, encryptFile } from "./files/encrypt-file.ts";
export type { FileRejection } from "./files/file-rejection.ts";
export type { FileProgress, OnProgress } from "./files/file-transfers.ts";
export type { DownloadOptions, FileToDownload, Files } from "./files/files.ts";
export type { FileOptions } from "./files/send-file.ts";
export { type Spool, spoolPieceBytes } from "./files/spool.ts";
export type { Group, Groups, InviteOptions } from "./groups.ts";
export type { Me, SignInInput } from "./identity/account.ts";
export type { IdentityChangePolicy } from "./identity/identities.ts";
export type { LinkRefusal } from "./identity/link-code.ts";
export type { LinkState } from "./identity/own-identity.ts";
export type { ContactIdentity, IdentityApi } from "./identity.ts";
export type { SafetyNumber } from "./crypto/safety-number.ts";
export type { SendOptions } from "./messages/outbox.ts";
export type {
  DeletedMessage,
  DeletionMessage,
  EditMessage,
  FileMessage,
  OpaqueMessage,
  ReactionMessage,
  ReceivedMessage,
  TextMessage,
  UnknownMessage,
  UnreadableMessage,
  UnreadableReason,
} from "./messages/received-message.ts";
export type { SentMessage } from "./messages/sent-message.ts";
export type { Pin } from "./pin.ts";
export type { Withheld } from "./sync/replay-windows.ts";
export { memoryStore } from "./storage/memory-store.ts";
export type { ListOptions, Store, StoreItem, StoreWrite } from "./storage/store.ts";
export type { Message, MessageContent, MessageState } from "./timeline/message.ts";
export type { ConversationSummary } from "./timeline/read-timeline.ts";

import { deviceId as deviceIdSchema } from "@sotto/schema";
import * as z from "zod/mini";
import { type BackupRefusal, decryptBackup, encryptBackup, refused } from "./backup/backup-file.ts";
import { contactsPart, conversationsPart, timelinePart } from "./backup/parts.ts";
import {
  type BackupHead,
  type BackupItem,
  type BackupPart,
  backupEnd,
  backupHead,
  backupItem,
} from "./backup/records.ts";
import {
  generateRecoveryKey,
  readRecoveryKey,
  rewrapRecoveryKey,
  unwrapRecoveryKey,
  wrapRecoveryKey,
} from "./backup/recovery-key.ts";
import type { GetSession } from "./conversations.ts";
import { SottoError, invalidInput, throwIfAborted } from "./errors.ts";
import { transferRecord } from "./identity/linking.ts";
import { isPair, ownKeyRecord } from "./identity/own-key.ts";
import type { Session } from "./session.ts";

export type { BackupRefusal };

interface CallOptions {
  signal?: AbortSignal | undefined;
}

/**
 * Backups: the identity key, whose identities were verified, and what was said, in one age file that only the recovery
 * key opens. Where the file is kept is the application's matter.
 *
 * @example
 * ```ts
 * const recoveryKey = await client.backup.generateRecoveryKey();
 * let wrapped = await client.backup.wrapRecoveryKey(recoveryKey, await askPassphrase());
 * wrapped = await client.backup.changePassphrase(wrapped, await askPassphrase(), await askPassphrase());
 * const file = await new Response(await client.backup.export(recoveryKey)).blob();
 * const unwrapped = await newClient.backup.unwrapRecoveryKey(wrapped, await askPassphrase());
 * await newClient.backup.restore(file.stream(), unwrapped);
 * ```
 *
 * @example
 * ```ts
 * const deviceId = await oldClient.devices.approve(await newClient.devices.link());
 * await newClient.backup.importFromDevice(await oldClient.backup.exportForDevice(deviceId));
 * ```
 */
export interface Backup {
  /** A new recovery key, to be shown to the user once and kept by them: 58 characters in groups, with a checksum. Throws nothing of its own. */
  generateRecoveryKey(): Promise<string>;
  /**
   * The recovery key encrypted with a passphrase (Argon2id, 64 MiB, about half a second), to be kept beside the file.
   * Throws `RECOVERY_KEY_INVALID`.
   */
  wrapRecoveryKey(recoveryKey: string, passphrase: string, options?: CallOptions): Promise<string>;
  /** The recovery key of what `wrapRecoveryKey` gave. Throws `WRONG_PASSPHRASE`, `BACKUP_REFUSED`. */
  unwrapRecoveryKey(wrapped: string, passphrase: string, options?: CallOptions): Promise<string>;
  /**
   * The wrapped recovery key under another passphrase: store it, then let go of the present one. No backup need be made
   * anew. A copy of the present one still opens with the present passphrase. Throws `WRONG_PASSPHRASE`, `BACKUP_REFUSED`.
   */
  changePassphrase(wrapped: string, present: string, next: string, options?: CallOptions): Promise<string>;
  /**
   * The backup as a stream, made as it is read. Throws `RECOVERY_KEY_INVALID`; `CANNOT_SIGN` on a device that does not
   * have the identity key. The stream fails with `ABORTED` when `signal` aborts; so does that of `exportForDevice`.
   *
   * @example
   * ```ts
   * const recoveryKey = await client.backup.generateRecoveryKey();
   * const file = await new Response(await client.backup.export(recoveryKey)).blob();
   * ```
   */
  export(recoveryKey: string, options?: CallOptions): Promise<ReadableStream<Uint8Array>>;
  /**
   * What was said, for a device that this one has approved: nobody else can open it. Throws `DEVICE_NOT_FOUND` for a
   * device that was approved elsewhere.
   */
  exportForDevice(deviceId: string, options?: CallOptions): Promise<ReadableStream<Uint8Array>>;
  /**
   * Takes a backup in, on a device that is signed in and waits for approval: it is linked then. What this device has
   * stays as it is, but for users whom the backup knows by another key: unless one was compared or met earlier here, the
   * backup's is in force then, and an `identity` event says so. Throws `BACKUP_REFUSED` with a reason,
   * `RECOVERY_KEY_INVALID`, `BAD_ANSWER` when the server's device lists cannot be (an `identity` event says why) or it has
   * given a conversation as another user's, and `IDENTITY_CHANGED` when the user has made a new identity since: the
   * history alone is to be had with `isHistoryOnly`. Also whatever the file's stream throws, and `ABORTED`.
   */
  restore(
    file: ReadableStream<Uint8Array>,
    recoveryKey: string,
    options?: CallOptions & { isHistoryOnly?: boolean | undefined },
  ): Promise<void>;
  /**
   * Takes in what another device has exported for this one, as {@link restore} does. Throws `BACKUP_REFUSED`,
   * `BAD_ANSWER`, `DEVICE_NOT_LINKED`, whatever the file's stream throws, and `ABORTED`.
   */
  importFromDevice(file: ReadableStream<Uint8Array>, options?: CallOptions): Promise<void>;
}

const partsOf = (session: Session): BackupPart[] => [
  contactsPart(session),
  conversationsPart(session),
  timelinePart(session),
];

async function* exportRecords(
  session: Session,
  identity: BackupHead[1]["identity"],
  { signal }: CallOptions,
): AsyncGenerator {
  const { me, now } = session;
  yield ["sotto-backup/v1", { userId: me.userId, createdAtMs: now(), identity }] satisfies BackupHead;
  let items = 0;
  for (const part of partsOf(session)) {
    for await (const record of part.export()) {
      throwIfAborted(signal);
      items++;
      yield ["item", part.name, record];
    }
  }
  yield ["end", items];
}

interface Importing extends CallOptions {
  identity: string;
  isHistoryOnly: boolean;
}

async function importRecords(
  session: Session,
  file: ReadableStream<Uint8Array>,
  { identity, isHistoryOnly, signal }: Importing,
): Promise<void> {
  const parts = partsOf(session);
  const read = { hasHead: false, items: 0, isWhole: false };
  try {
    for await (const records of decryptBackup(file, identity, signal)) {
      if (!read.hasHead) {
        await takeHead(session, records.shift(), { isHistoryOnly, signal });
        for (const part of parts) await part.begin?.(signal);
        read.hasHead = true;
      }
      throwIfAborted(signal);
      const items: BackupItem[] = [];
      for (const record of records) {
        const item = backupItem.safeParse(record);
        if (item.success) items.push(item.data);
        else read.isWhole = backupEnd.safeParse(record).data?.[1] === read.items + items.length;
      }
      read.items += items.length;
      await importItems(parts, items);
    }
    if (!read.isWhole) throw refused("damaged");
  } catch (error) {
    throw error instanceof z.core.$ZodError ? refused("malformed", error) : error;
  }
  for (const part of parts) await part.finish?.(signal);
}

async function importItems(parts: readonly BackupPart[], items: readonly BackupItem[]): Promise<void> {
  for (const part of parts) {
    const values = items.flatMap(([, name, value]) => (name === part.name ? [value] : []));
    if (values.length > 0) await part.import(values);
  }
}

async function takeHead(
  { me, identity, directory }: Session,
  record: unknown,
  { isHistoryOnly, signal }: Omit<Importing, "identity">,
): Promise<void> {
  const head = backupHead.safeParse(record);
  if (!head.success) throw refused("malformed", head.error);
  const [, { userId, identity: kept }] = head.data;
  if (userId !== me.userId) throw refused("wrong_user");
  if (isHistoryOnly || !kept) return;
  if (!(await isPair(kept.uik, kept.uikPrivate))) throw refused("malformed");
  const { uik, uikPrivate, pin: known } = kept;
  await identity.restore({ uik, uikPrivate, transfer: null }, { known, signal });
  directory.forget(me.userId);
}

/** `client.backup` */
export function createBackup(getSession: GetSession): Backup {
  return {
    generateRecoveryKey,
    wrapRecoveryKey,
    unwrapRecoveryKey,
    changePassphrase: rewrapRecoveryKey,
    async export(recoveryKey, options = {}) {
      throwIfAborted(options.signal);
      const { recipient } = await readRecoveryKey(recoveryKey);
      const { session } = await getSession();
      const own = await ownKeyRecord.get(session.store);
      if (!own?.uikPrivate) throw new SottoError("CANNOT_SIGN");
      const { uik, uikPrivate } = own;
      const pin = await session.identities.pins.get(session.me.userId);
      return encryptBackup(exportRecords(session, { uik, uikPrivate, pin }, options), recipient);
    },
    async exportForDevice(id, options = {}) {
      throwIfAborted(options.signal);
      const deviceId = deviceIdSchema.safeParse(id);
      if (!deviceId.success) throw invalidInput("deviceId", deviceId.error);
      const { session } = await getSession();
      const recipient = await transferRecord.get(session.store, deviceId.data);
      if (recipient === undefined) throw new SottoError("DEVICE_NOT_FOUND");
      return encryptBackup(exportRecords(session, null, options), recipient);
    },
    async restore(file, recoveryKey, { signal, isHistoryOnly = false } = {}) {
      const { identity } = await readRecoveryKey(recoveryKey);
      await importRecords((await getSession()).session, file, { identity, isHistoryOnly, signal });
    },
    async importFromDevice(file, { signal } = {}) {
      const { session } = await getSession();
      await session.identity.ready(signal);
      const identity = (await ownKeyRecord.get(session.store))?.transfer;
      if (!identity) throw new SottoError("DEVICE_NOT_LINKED");
      await importRecords(session, file, { identity, isHistoryOnly: true, signal });
    },
  };
}

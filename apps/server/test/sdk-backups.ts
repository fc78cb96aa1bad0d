import type { Client } from "@sotto/sdk";
import { decryptBackup, encryptBackup } from "../../../packages/sdk/src/backup/backup-file.ts";
import { readRecoveryKey } from "../../../packages/sdk/src/backup/recovery-key.ts";

type FileBytes = Uint8Array<ArrayBuffer>;

export async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<FileBytes> {
  return new Uint8Array(await new Response(stream as ReadableStream<FileBytes>).arrayBuffer());
}

export const streamOf = (bytes: FileBytes) => new Blob([bytes]).stream();

interface BackupFile {
  recoveryKey: string;
  file: FileBytes;
}

export async function backUp({ backup }: Client): Promise<BackupFile> {
  const recoveryKey = await backup.generateRecoveryKey();
  return { recoveryKey, file: await bytesOf(await backup.export(recoveryKey)) };
}

type BackupItem = ["item", name: string, value: unknown];

/** The same backup with other items, as whoever knows the recovery key can make one. */
export async function withItems(
  { recoveryKey, file }: BackupFile,
  change: (items: BackupItem[]) => BackupItem[],
): Promise<FileBytes> {
  const { identity, recipient } = await readRecoveryKey(recoveryKey);
  const records: [string, ...unknown[]][] = [];
  for await (const read of decryptBackup(streamOf(file), identity)) records.push(...(read as typeof records));
  const items = change(records.filter((record): record is BackupItem => record[0] === "item"));
  async function* changed(): AsyncGenerator {
    yield records[0];
    yield* items;
    yield ["end", items.length];
  }
  return bytesOf(await encryptBackup(changed(), recipient));
}

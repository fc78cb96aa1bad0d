import { userId } from "@sotto/schema";
import * as z from "zod/mini";
import { identityPin } from "../identity/pins.ts";
import { bytes } from "../storage/bytes.ts";

/** A part of the client that has something worth keeping. */
export interface BackupPart {
  /** Names its records in the file; an unknown name is passed over when the file is read. */
  name: string;
  /** Plain data, one record after the other. */
  export(): AsyncIterable<unknown>;
  /** Before the first one: what the server says goes before what the file does. */
  begin?(signal?: AbortSignal): Promise<void>;
  /** Some records, in the order of the file, committed together; what is here already stays. Invalid ones throw. */
  import(records: readonly unknown[]): Promise<void>;
  /** After the last one. */
  finish?(signal?: AbortSignal): Promise<void>;
}

/** The first record. */
export const backupHead = z.tuple([
  z.literal("sotto-backup/v1"),
  z.object({
    userId,
    createdAtMs: z.number(),
    /** The identity key; null in a history for a device that has its own. */
    identity: z.nullable(
      z.object({
        uik: bytes,
        uikPrivate: bytes,
        /** The newest of the user's own lists that is known: an older one is refused when the key is restored. */
        pin: z.optional(identityPin),
      }),
    ),
  }),
]);
export type BackupHead = z.output<typeof backupHead>;

export const backupItem = z.tuple([z.literal("item"), z.string(), z.unknown()]);
export type BackupItem = z.output<typeof backupItem>;
/** The last record, with how many items there were: a file without it is not whole. */
export const backupEnd = z.tuple([z.literal("end"), z.number()]);

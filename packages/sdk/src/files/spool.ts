import * as z from "zod/mini";
import { bytes } from "../storage/bytes.ts";
import { defineRecord } from "../storage/records.ts";
import { withStoreErrors } from "../storage/store-error.ts";
import type { Store } from "../storage/store.ts";

/** Every piece of a spooled file has so many bytes, but for the last. */
export const spoolPieceBytes = 1_048_576;

/**
 * Where the ciphertext of a file waits until the server has it. It holds nothing that may not be seen: the key is in the
 * message. `id` is printable ASCII without `/`.
 */
export interface Spool {
  /** Stores piece number `at`, from 0; durable once it resolves. Pieces come in order, the first where nothing is. */
  write(id: string, at: number, piece: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Undefined: there is no such piece. */
  read(id: string, at: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Does nothing for an id that is not there. */
  remove(id: string): Promise<void>;
  /** The ids of what is there, also of what was begun only. */
  list(): Promise<string[]>;
}

/** How many pieces there are. A record of its own, so that listing reads no bytes. */
const spooledRecord = defineRecord("spooled", z.number());
const pieceRecord = defineRecord("spool", bytes);

/** A spool in the client's own store. A file takes its size there until it is sent. */
export function storeSpool(store: Store): Spool {
  return {
    async write(id, at, piece) {
      await store.commit([pieceRecord.put([id, at], piece), spooledRecord.put([id], at + 1)]);
    },
    read: (id, at) => pieceRecord.get(store, id, at),
    async remove(id) {
      // The last piece first, so that a crash leaves a beginning that is found again.
      for (let at = (await spooledRecord.get(store, id)) ?? 0; at > 0; at--) {
        const left = at > 1 ? spooledRecord.put([id], at - 1) : spooledRecord.remove(id);
        await store.commit([pieceRecord.remove(id, at - 1), left]);
      }
    },
    async list() {
      return (await spooledRecord.list(store)).map(({ path: [id = ""] }) => id);
    },
  };
}

/**
 * The same spool, which throws nothing but `SottoError`, as the store's own does already. But for reading: a file that
 * cannot be read fails its own message, while an error of the store has the lane wait.
 */
export function guardedSpool(inner: Spool): Spool {
  return {
    write: (...args) => withStoreErrors(() => inner.write(...args)),
    read: (...args) => inner.read(...args),
    remove: (id) => withStoreErrors(() => inner.remove(id)),
    list: () => withStoreErrors(() => inner.list()),
  };
}

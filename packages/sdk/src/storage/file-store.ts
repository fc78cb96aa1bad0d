import { SottoError, throwIfAborted } from "../errors.ts";
import { encryptedStore, sealWrites } from "./encrypted-store.ts";
import { type SqliteFile, openSqliteFile } from "./sqlite-file.ts";
import { guardedStore, withStoreErrors } from "./store-error.ts";
import type { Store } from "./store.ts";
import { type StoreSecret, createStoreKey, openStoreKey } from "./store-key.ts";

/**
 * What the file is encrypted with: a passphrase, or a `key` of 32 bytes that the application keeps elsewhere, as in the
 * system's keychain. `{ encryption: "none" }` leaves private keys and texts readable for whoever gets the file.
 */
export type FileStoreOptions = StoreSecret | { encryption: "none" };

interface CallOptions {
  signal?: AbortSignal | undefined;
}

/**
 * A store in one SQLite file, for Node 22.13 and later, made readable for its owner only (0600). Commits survive a crash
 * of the process and of the machine. Values are encrypted with AES-256-GCM; ids are not (docs/SECURITY.md). The key of a
 * passphrase is made with Argon2id (64 MiB, 3 passes: half a second). A file that was not encrypted is, once it is opened
 * with a passphrase or key.
 *
 * Throws {@link SottoError} `STORE_LOCKED` while another client, in this process or another one, has it open,
 * `WRONG_PASSPHRASE`, `STORE_DAMAGED`, also for a file of another kind, `STORE_FAILED` where it cannot be read or made,
 * `INVALID_INPUT` for an empty passphrase or a key that has not 32 bytes, and `ABORTED`, after Argon2id at the latest.
 *
 * @example
 * ```ts
 * const store = await fileStore("alice.sotto", { passphrase: await askPassphrase() });
 * const client = await createClient({ url: "https://chat.example", store });
 * ```
 */
export function fileStore(
  path: string,
  options: FileStoreOptions,
  { signal }: CallOptions = {},
): Promise<Store> {
  return withStoreErrors(async () => {
    throwIfAborted(signal);
    const file = openSqliteFile(path);
    try {
      return guardedStore(await open(file, options, signal));
    } catch (error) {
      await file.store.close();
      throw error;
    }
  });
}

/**
 * Gives a closed store's file another passphrase or key, and with it another store key: everything in it is encrypted
 * anew, in one transaction. A crash at any moment leaves either the present secret good or the next one, with all that was
 * there. Afterwards the present one opens nothing of the file; copies that were made before stay as they were. Then the
 * file is compacted, so that unused pages keep nothing that the present secret opens; where there is no room for that, the
 * secret is changed all the same, and the next opening with room does it. Holds the store's content in memory meanwhile.
 *
 * Throws as {@link fileStore} does; then nothing has changed.
 *
 * @example
 * ```ts
 * await changeFileSecret("alice.sotto", { passphrase: "the old one" }, { passphrase: "the new one" });
 * ```
 */
export function changeFileSecret(
  path: string,
  ...[present, next, { signal } = {}]: [present: FileStoreOptions, next: StoreSecret, options?: CallOptions]
): Promise<void> {
  return withStoreErrors(async () => {
    throwIfAborted(signal);
    const file = openSqliteFile(path);
    try {
      const items = await (await open(file, present, signal)).list("");
      const created = await createStoreKey(next, signal);
      const writes = await sealWrites(items, created.key);
      throwIfAborted(signal);
      file.replace(created.header, writes);
    } finally {
      await file.store.close();
    }
  });
}

async function open(file: SqliteFile, options: FileStoreOptions, signal?: AbortSignal): Promise<Store> {
  const header = file.readHeader();
  if ("encryption" in options) {
    if (header) throw new SottoError("WRONG_PASSPHRASE");
    return file.store;
  }
  if (header) return encryptedStore(file.store, await openStoreKey(header, options, signal));
  const created = await createStoreKey(options, signal);
  file.replace(created.header, await sealWrites(await file.store.list(""), created.key));
  return encryptedStore(file.store, created.key);
}

import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Spool, spoolPieceBytes } from "./spool.ts";

const suffix = ".age";

/**
 * A spool of files in a directory of its own, for Node: large files take no room in the client's store, and give it back
 * at once. The directory is made, with mode 0700; it belongs to one client.
 *
 * @example
 * ```ts
 * const client = await createClient({ url: "http://localhost:8091", store, spool: directorySpool("alice.files") });
 * ```
 */
export function directorySpool(directory: string): Spool {
  const pathOf = (id: string): string => join(directory, `${encodeURIComponent(id)}${suffix}`);
  return {
    async write(id, at, piece) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await using file = await open(pathOf(id), constants.O_RDWR | constants.O_CREAT, 0o600);
      for (let used = 0; used < piece.length;) {
        const { bytesWritten } = await file.write(
          piece,
          used,
          piece.length - used,
          at * spoolPieceBytes + used,
        );
        used += bytesWritten;
      }
      await file.datasync();
    },
    async read(id, at) {
      await using file = await openToRead(pathOf(id));
      if (!file.handle) return undefined;
      const piece = new Uint8Array(spoolPieceBytes);
      let used = 0;
      for (;;) {
        const from = at * spoolPieceBytes + used;
        const { bytesRead } = await file.handle.read(piece, used, piece.length - used, from);
        used += bytesRead;
        if (bytesRead === 0 || used === piece.length) return used > 0 ? piece.subarray(0, used) : undefined;
      }
    },
    remove: (id) => rm(pathOf(id), { force: true }),
    async list() {
      const names = await readdir(directory).catch((error: unknown) => orMissing(error, []));
      return names
        .filter((name) => name.endsWith(suffix))
        .map((name) => decodeURIComponent(name.slice(0, -suffix.length)));
    },
  };
}

async function openToRead(path: string): Promise<AsyncDisposable & { handle: FileHandle | undefined }> {
  const handle = await open(path).catch((error: unknown) => orMissing(error, undefined));
  return {
    handle,
    [Symbol.asyncDispose]: async () => {
      await handle?.close();
    },
  };
}

function orMissing<T>(error: unknown, value: T): T {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return value;
  throw error;
}

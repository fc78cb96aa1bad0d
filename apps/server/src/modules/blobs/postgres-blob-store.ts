import type { Db } from "../../db/db.ts";
import type { BlobStore } from "./blob-store.ts";
import { deleteChunks, findChunk, insertChunk, writeUploadChunk } from "./blob-chunks.queries.ts";
import { chunkBytes } from "./chunks.ts";

/** 32 MiB in one statement. */
const deleteBatch = 128;

/** Blobs as rows of `chunkBytes`, each written and read by itself: no long transaction, nothing held whole. */
export function createPostgresBlobStore(db: Db): BlobStore {
  return {
    write: async (id, chunks) => {
      let position = 0;
      for await (const bytes of chunks) {
        if (!(await insertChunk(db, { blobId: id, position, bytes }))) {
          throw new Error("A blob was collected while it was written");
        }
        position++;
      }
    },
    read: async function* (id, { start, end }) {
      for (let position = Math.floor(start / chunkBytes); position * chunkBytes <= end; position++) {
        const bytes = await findChunk(db, id, position);
        if (!bytes) throw new Error("A chunk of a blob is not there");
        const offset = position * chunkBytes;
        yield bytes.subarray(Math.max(0, start - offset), end - offset + 1);
      }
    },
    delete: async (id) => {
      while ((await deleteChunks(db, id, deleteBatch)) === deleteBatch);
    },
    resumable: {
      pieceBytes: chunkBytes,
      begin: async () => null,
      write: async ({ id, position, offset, bytes }) =>
        (await writeUploadChunk(db, { blobId: id, position, offset, bytes })) ? "" : undefined,
      finish: async () => {},
    },
  };
}

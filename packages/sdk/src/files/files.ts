import type { GetSession } from "../conversations.ts";
import type { FilePayload } from "../crypto/file-payload.ts";
import { toStream } from "./bytes-streams.ts";
import { decryptFile } from "./decrypt-file.ts";
import { downloadCiphertext } from "./download-ciphertext.ts";
import type { FileSeal } from "./encrypt-file.ts";
import type { OnProgress } from "./file-transfers.ts";

/** What of a file's message is needed to get it: a received message of kind `file`, or a timeline's `content`. */
export type FileToDownload = FileSeal & Pick<FilePayload, "blobId">;

/** How a file is downloaded. */
export interface DownloadOptions {
  onProgress?: OnProgress | undefined;
  signal?: AbortSignal | undefined;
}

/** The files of received messages. To send one: `conversation.sendFile`. */
export interface Files {
  /**
   * A file's bytes, downloaded as they are read; a cut connection is taken up again. Each piece of 64 KiB is authentic,
   * but only the end of the stream says that all of it is right and there: until then do not keep it under its name.
   *
   * The stream breaks off with `FILE_REJECTED` (`details.reason`), `ATTACHMENT_NOT_FOUND` (not for this user, or
   * deleted), `NETWORK`, `ABORTED`.
   *
   * @example
   * ```ts
   * for await (const message of client.messages()) {
   *   if (message.kind !== "file" || message.size > 10_000_000) continue;
   *   const bytes = await new Response(client.files.download(message)).arrayBuffer();
   *   console.log(message.name, bytes.byteLength);
   * }
   * ```
   */
  download(file: FileToDownload, options?: DownloadOptions): ReadableStream<Uint8Array>;
}

export function createFiles(getSession: GetSession): Files {
  return {
    download: (file, options) => toStream(download(getSession, file, options)),
  };
}

async function* download(
  getSession: GetSession,
  file: FileToDownload,
  { onProgress, signal }: DownloadOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { session } = await getSession();
  const stopped = new AbortController();
  const running = signal ? AbortSignal.any([signal, stopped.signal]) : stopped.signal;
  const ciphertext = downloadCiphertext(session, file.blobId, running);
  const reader = decryptFile(ciphertext, file, { signal: running }).getReader();
  let done = 0;
  try {
    for (;;) {
      const next = await reader.read();
      if (next.done) return;
      done += next.value.length;
      onProgress?.({ phase: "downloading", done, total: file.size });
      yield next.value;
    }
  } finally {
    stopped.abort();
    await reader.cancel().catch(() => {});
  }
}

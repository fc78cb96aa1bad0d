import { type MessageId, attachmentId } from "@sotto/schema";
import { withDeadline } from "../api/deadline.ts";
import { retrying } from "../api/retry.ts";
import type { FilePayload } from "../crypto/file-payload.ts";
import { type AnySottoError, SottoError, isAuthError, makeError, throwIfAborted } from "../errors.ts";
import { findOutgoing } from "../messages/outgoing-queue.ts";
import { loadAge } from "../parts/load-part.ts";
import type { Session } from "../session.ts";
import type { Store } from "../storage/store.ts";
import { type Turns, turnsOf } from "../turns.ts";
import { type FileSource, inPieces, readChunks } from "./bytes-streams.ts";
import { type FileSeal, encryptFile } from "./encrypt-file.ts";
import { type Spool, spoolPieceBytes } from "./spool.ts";
import { uploadFile } from "./upload-file.ts";

/** How long a cancelled file's upload is tried to be taken back; the server forgets it after a day anyway. */
const takeBackMs = 5_000;

/** How far a file has come, in bytes. */
export interface FileProgress {
  phase: "encrypting" | "uploading" | "downloading";
  /** Bytes: of the file itself while it is encrypted or downloaded, of its ciphertext while it is uploaded. */
  done: number;
  /** null: the source does not say. */
  total: number | null;
}
/** Called as a file moves on. */
export type OnProgress = (progress: FileProgress) => void;

interface Sending {
  clientMessageId: string;
  source: FileSource;
  onProgress: OnProgress | undefined;
  signal: AbortSignal | undefined;
}

interface Encrypting extends Sending {
  signal: AbortSignal;
}

interface TakenBack {
  clientMessageId: string;
  file: Pick<FilePayload, "blobId">;
  signal?: AbortSignal | undefined;
}

interface Sent {
  clientMessageId: string;
  id: MessageId;
  signal: AbortSignal;
}

/**
 * The files on their way out. A file is encrypted once, into the spool, before its message is queued; every try sends
 * those bytes. So no key meets two plaintexts, whatever breaks off, and the source is read once.
 */
export class FileTransfers {
  readonly #spool: Spool;
  readonly #store: Store;
  /** Whoever removes what no message names takes a turn, and makes sure of that in it. */
  readonly #turns: Turns;
  readonly #listeners = new Map<string, OnProgress>();
  /** What is being encrypted here, and has no message yet. */
  readonly #begun = new Map<string, Promise<unknown>>();
  readonly #ending = new AbortController();

  constructor(spool: Spool, store: Store) {
    this.#spool = spool;
    this.#store = store;
    this.#turns = turnsOf(store, "spool");
  }

  listen(clientMessageId: string, onProgress: OnProgress | undefined): void {
    if (onProgress) this.#listeners.set(clientMessageId, onProgress);
  }

  hear(clientMessageId: string, progress: FileProgress): void {
    this.#listeners.get(clientMessageId)?.(progress);
  }

  /**
   * Encrypts into the spool, then queues the message. Of one that is not queued, whyever, nothing is left. Throws
   * `CLIENT_MESSAGE_ID_REUSED`.
   */
  async store<T>(sending: Sending, queue: (seal: FileSeal) => Promise<T>): Promise<T> {
    // Whoever stops this waits for nothing that has to be fetched.
    await loadAge();
    const { clientMessageId: id, signal } = sending;
    if (this.#begun.has(id)) throw new SottoError("CLIENT_MESSAGE_ID_REUSED");
    const ending = AbortSignal.any([this.#ending.signal, ...(signal ? [signal] : [])]);
    const storing = this.#alone(id, ending, (until) =>
      this.#encryptAndQueue({ ...sending, signal: until }, queue),
    );
    this.#begun.set(id, storing);
    try {
      return await storing;
    } finally {
      this.#begun.delete(id);
    }
  }

  /** While no other tab has to do with the same file. */
  #alone<T>(id: string, until: AbortSignal, task: (until: AbortSignal) => Promise<T>): Promise<T> {
    const { tabs } = this.#store;
    if (!tabs) return task(until);
    return tabs.hold(`spool/${id}`, (lost) => task(AbortSignal.any([until, lost])), until);
  }

  async #encryptAndQueue<T>(sending: Encrypting, queue: (seal: FileSeal) => Promise<T>): Promise<T> {
    const { clientMessageId: id, onProgress, signal } = sending;
    throwIfAborted(signal);
    try {
      // An earlier run may have left one that is longer.
      if (!(await this.#forgetUnnamed(id))) throw new SottoError("CLIENT_MESSAGE_ID_REUSED");
      this.listen(id, onProgress);
      return await queue(await this.#encrypt(sending));
    } catch (error) {
      // What cannot be removed now is so at the next start.
      await this.#forgetUnnamed(id).catch(() => {});
      throw error;
    }
  }

  async #encrypt({ clientMessageId: id, source, onProgress, signal }: Encrypting): Promise<FileSeal> {
    const total = source instanceof Blob ? source.size : null;
    let done = 0;
    const counted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      for await (const chunk of readChunks(source, signal)) {
        done += chunk.length;
        onProgress?.({ phase: "encrypting", done, total });
        yield chunk;
      }
    };
    const { stream, seal } = await encryptFile(counted(), { signal });
    let at = 0;
    for await (const piece of inPieces(readChunks(stream, signal), spoolPieceBytes)) {
      await this.#spool.write(id, at++, piece);
    }
    return seal;
  }

  /** Forgets a file that no message names. False: one does, or `isLeft` says no. */
  #forgetUnnamed(
    clientMessageId: string,
    isLeft: () => Promise<boolean> = async () => true,
  ): Promise<boolean> {
    return this.#turns.run(async () => {
      const isUnnamed = !(await findOutgoing(this.#store, clientMessageId)) && (await isLeft());
      if (isUnnamed) await this.#remove(clientMessageId);
      return isUnnamed;
    });
  }

  /** Uploads what is not there yet. `requireWanted` throws when it is not to be sent any more. */
  upload(
    session: Session,
    file: FilePayload,
    options: { clientMessageId: string; requireWanted: () => Promise<unknown>; signal: AbortSignal },
  ): Promise<void> {
    const { clientMessageId: spoolId } = options;
    const total = file.ciphertextSize;
    const onProgress = (done: number): void => {
      const progress = { phase: "uploading", done, total } as const;
      void session.tell({ type: "progress", clientMessageId: spoolId, progress });
    };
    return uploadFile({ session, spool: this.#spool, spoolId, file, onProgress, ...options });
  }

  /**
   * Ties the upload of a message that was sent to it, so that its readers may download it, then forgets the file. Until
   * then its spool stands for the duty. Again: changes nothing.
   */
  async finish({ api }: Session, file: FilePayload, sent: Sent): Promise<void> {
    const attached = { messageId: sent.id, uploadId: attachmentId.parse(file.blobId) };
    await api.call((server, options) => server.attachments.attach.mutate(attached, options), sent.signal);
    await this.#release(sent.clientMessageId);
  }

  /** Forgets a file that was sent, which nothing can change any more. What cannot be removed now is so at the next start. */
  async #release(clientMessageId: string): Promise<void> {
    await this.#remove(clientMessageId).catch(() => {});
  }

  async #remove(clientMessageId: string): Promise<void> {
    this.#listeners.delete(clientMessageId);
    await this.#spool.remove(clientMessageId);
  }

  /** Forgets a file whose message was taken back; what the server has of it goes too. */
  async takeBack({ api }: Pick<Session, "api">, { clientMessageId, file, signal }: TakenBack): Promise<void> {
    // It may be sent anew already.
    const isLeft = async () => !this.#begun.has(clientMessageId);
    const upload = { uploadId: attachmentId.parse(file.blobId) };
    await withDeadline({ timeoutMs: takeBackMs }, (inTime) =>
      this.#alone(clientMessageId, inTime, () => this.#forgetUnnamed(clientMessageId, isLeft)),
    ).catch(() => {});
    await withDeadline({ timeoutMs: takeBackMs, signal }, (inTime) =>
      api.call((server, options) => server.uploads.cancel.mutate(upload, options), inTime),
    ).catch(() => {});
  }

  /** Goes on with what was left: ties files to messages that were sent, forgets files without one. */
  async resume(session: Session, signal: AbortSignal): Promise<void> {
    for (const clientMessageId of await this.#spool.list()) {
      const message = await findOutgoing(session.store, clientMessageId);
      // Another tab may be encrypting it.
      const isLeft = async () => (await isAlone(session)) && !this.#begun.has(clientMessageId);
      if (!message) await this.#forgetUnnamed(clientMessageId, isLeft).catch(() => {});
      if (!message?.delivered) continue;
      const { payload, delivered } = message;
      if (payload.kind === "file") {
        const sent = { clientMessageId, id: delivered.id, signal };
        await retrying(() => this.finish(session, payload, sent), { signal }).catch((error: unknown) => {
          // Deleted meanwhile, or the like: there is nothing left to tie it to.
          if (signal.aborted || isAuthError(error)) throw error;
        });
      }
      await this.#release(clientMessageId);
    }
  }

  /** Ends what is being encrypted: whoever waits for it gets the reason. Resolves once nothing of it is written any more. */
  async stop(reason: AnySottoError = makeError("CLOSED")): Promise<void> {
    this.#ending.abort(reason);
    await Promise.allSettled(this.#begun.values());
  }

  /** Forgets everything, at sign-out. Throws once all is gone that can be removed. */
  async clear(): Promise<void> {
    const removing = (await this.#spool.list()).map((id) => this.#remove(id));
    await Promise.allSettled(removing);
    await Promise.all(removing);
  }
}

async function isAlone({ store: { tabs } }: Session): Promise<boolean> {
  return !tabs || tabs.isAlone();
}

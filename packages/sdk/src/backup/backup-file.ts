/** A backup: an age file whose content is a row of records, each a length of four bytes and its CBOR (PROTOCOL §8.10). */
import type { Bytes } from "@sotto/schema";
import { SottoError } from "../errors.ts";
import { readChunks, toStream } from "../files/bytes-streams.ts";
import { HeaderWatch } from "../files/header-watch.ts";
import { loadAge } from "../parts/load-part.ts";
import { decodeValue, encodeValue } from "../storage/value-codec.ts";

/** Why a backup, a history for a device or a wrapped recovery key is refused: `details.reason` of `BACKUP_REFUSED`. */
export type BackupRefusal =
  /** Encrypted to another key. */
  | "wrong_key"
  /** Altered, or cut off. */
  | "damaged"
  /** No backup. */
  | "malformed"
  /** Of another user. */
  | "wrong_user"
  /** It asks for more memory or time than a backup may. */
  | "parameters"
  /** A record in it, or its header, is longer than one may be. */
  | "oversize";

/** No record is near this; a longer one is refused before it is gathered. */
const maxRecordBytes = 4_194_304;

export const refused = (reason: BackupRefusal, cause?: unknown): SottoError<"BACKUP_REFUSED"> =>
  new SottoError("BACKUP_REFUSED", { details: { reason }, cause });

/** Encrypts records as they come: of them no more than one is in memory, beside age's chunk of 64 KiB. */
export async function encryptBackup(
  records: AsyncIterator<unknown>,
  recipient: string,
): Promise<ReadableStream<Uint8Array>> {
  const age = await loadAge();
  const encrypter = new age.Encrypter();
  encrypter.addRecipient(recipient);
  const plain = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await records.next();
      if (done) controller.close();
      else controller.enqueue(frame(encodeValue(value)));
    },
    async cancel() {
      await records.return?.();
    },
  });
  return encrypter.encrypt(plain);
}

function frame(record: Bytes): Bytes {
  const framed = new Uint8Array(4 + record.length);
  new DataView(framed.buffer).setUint32(0, record.length);
  framed.set(record, 4);
  return framed;
}

/**
 * The records of a backup, each only once its chunk is authentic: what each chunk of 64 KiB completes together. Throws
 * `BACKUP_REFUSED`, `ABORTED`, and whatever the source throws.
 */
export async function* decryptBackup(
  file: ReadableStream<Uint8Array>,
  identity: string,
  signal?: AbortSignal,
): AsyncGenerator<unknown[], void, undefined> {
  const age = await loadAge();
  const decrypter = new age.Decrypter();
  decrypter.addIdentity(identity);
  const source = new Source(file, signal);
  try {
    const plain = await decrypter.decrypt(source.stream).catch((error: unknown) => {
      const isOther = error instanceof Error && error.message.startsWith("no identity matched");
      throw source.blame(isOther ? "wrong_key" : "malformed", error);
    });
    const reader = plain.getReader();
    let rest = new Uint8Array(0);
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw source.blame("damaged", error);
      });
      if (done) break;
      rest = join(rest, value);
      const records: unknown[] = [];
      for (let record = takeRecord(rest); record; record = takeRecord(rest)) {
        rest = rest.subarray(4 + record.length);
        records.push(decode(record));
      }
      if (records.length > 0) yield records;
    }
    if (rest.length > 0) throw refused("damaged");
  } finally {
    source.close();
  }
}

/** The bytes of a backup. What goes wrong with them comes out of age among age's own errors, and is told from those here. */
class Source {
  readonly #closing = new AbortController();
  #failure: { error: unknown } | undefined;
  readonly stream: ReadableStream<Uint8Array>;

  constructor(file: ReadableStream<Uint8Array>, signal?: AbortSignal) {
    const ended = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    this.stream = toStream(this.#read(file, ended));
  }

  async *#read(file: ReadableStream<Uint8Array>, ended: AbortSignal): AsyncGenerator<Uint8Array, void> {
    const header = new HeaderWatch();
    try {
      for await (const chunk of readChunks(file, ended)) {
        if (!header.accepts(chunk)) throw refused("oversize");
        yield chunk;
      }
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /** What to throw for an error of age's: why the source failed, or else why the file is refused. */
  blame(reason: BackupRefusal, error: unknown): unknown {
    return this.#failure ? this.#failure.error : refused(reason, error);
  }

  /** Also of a file that gives nothing at the moment. */
  close(): void {
    this.#closing.abort();
  }
}

function takeRecord(from: Uint8Array): Uint8Array | undefined {
  if (from.length < 4) return undefined;
  const length = new DataView(from.buffer, from.byteOffset).getUint32(0);
  if (length > maxRecordBytes) throw refused("oversize");
  return from.length < 4 + length ? undefined : from.subarray(4, 4 + length);
}

function decode(record: Uint8Array): unknown {
  try {
    return decodeValue(record);
  } catch (error) {
    throw refused("malformed", error);
  }
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

/** A backup: an age file whose content is a row of records, each a length of four bytes and its CBOR (PROTOCOL §8.10). */
import type { Bytes } from "@sotto/schema";
import { SottoError } from "../errors.ts";
import { loadAge } from "../parts/load-part.ts";
import { decodeValue, encodeValue } from "../storage/value-codec.ts";

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
  /** A record in it is longer than one may be. */
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

/** The records of a backup, each only once its chunk is authentic. Throws `BACKUP_REFUSED`. */
export async function* decryptBackup(
  file: ReadableStream<Uint8Array>,
  identity: string,
): AsyncGenerator<unknown, void, undefined> {
  const age = await loadAge();
  const decrypter = new age.Decrypter();
  decrypter.addIdentity(identity);
  const plain = await decrypter.decrypt(file).catch((error: unknown) => {
    const isOther = error instanceof Error && error.message.startsWith("no identity matched");
    throw refused(isOther ? "wrong_key" : "malformed", error);
  });
  let rest = new Uint8Array(0);
  const reader = plain.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw refused("damaged", error);
      });
      if (done) break;
      rest = join(rest, value);
      for (let record = takeRecord(rest); record; record = takeRecord(rest)) {
        rest = rest.subarray(4 + record.length);
        yield decode(record);
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
  if (rest.length > 0) throw refused("damaged");
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

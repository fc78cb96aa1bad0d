import { Decrypter, Encrypter } from "age-encryption";
import { expect, test } from "vitest";
import { encodeValue } from "../storage/value-codec.ts";
import { generateAgeKeys } from "./age-keys.ts";
import { decryptBackup, encryptBackup } from "./backup-file.ts";

async function* rows(count: number): AsyncGenerator {
  for (let at = 0; at < count; at++) yield ["item", "row", { at, text: "x".repeat(at % 300) }];
}

const streamOf = (bytes: Uint8Array, pieceSize = 1000) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += pieceSize)
        controller.enqueue(bytes.slice(at, at + pieceSize));
      controller.close();
    },
  });

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
}

async function readAll(bytes: Uint8Array, identity: string, pieceSize?: number): Promise<unknown[]> {
  const read: unknown[] = [];
  for await (const record of decryptBackup(streamOf(bytes, pieceSize), identity)) read.push(record);
  return read;
}

const refusedFor = (reading: Promise<unknown>): Promise<unknown> =>
  reading.then(
    () => "read",
    (error: { code?: string; details?: { reason: string } }) => `${error.code} ${error.details?.reason}`,
  );

test("records come as they were, whatever pieces the file comes in", async () => {
  const { identity, recipient } = await generateAgeKeys();
  const bytes = await bytesOf(await encryptBackup(rows(1500), recipient));
  const expected: unknown[] = [];
  for await (const row of rows(1500)) expected.push(row);
  for (const pieceSize of [17, 65_536, 10_000_000])
    expect(await readAll(bytes, identity, pieceSize)).toEqual(expected);
  // It is a plain age file: the length of four bytes and the CBOR of each record.
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const plain = await decrypter.decrypt(bytes);
  const first = encodeValue(expected[0]);
  expect(new DataView(plain.buffer, plain.byteOffset).getUint32(0)).toBe(first.length);
  expect([...plain.subarray(4, 4 + first.length)]).toEqual([...first]);
});

test("a file that was cut off or altered is refused, wherever", async () => {
  const { identity, recipient } = await generateAgeKeys();
  const bytes = await bytesOf(await encryptBackup(rows(1500), recipient));
  const header = 200;
  for (let length = bytes.length - 1; length > header; length -= Math.ceil(bytes.length / 9))
    expect(await refusedFor(readAll(bytes.slice(0, length), identity)), `${length} bytes`).toBe(
      "BACKUP_REFUSED damaged",
    );
  // At a chunk's end.
  const firstChunk = bytes.length % 65_552 < 65_552 ? bytes.length - ((bytes.length - header) % 65_552) : 0;
  expect(await refusedFor(readAll(bytes.slice(0, firstChunk), identity))).toMatch(/^BACKUP_REFUSED/);
  for (let at = header; at < bytes.length; at += Math.ceil(bytes.length / 11)) {
    const altered = bytes.slice();
    altered[at] = (altered[at] ?? 0) ^ 1;
    expect(await refusedFor(readAll(altered, identity)), `byte ${at}`).toMatch(
      /^BACKUP_REFUSED (damaged|malformed)$/,
    );
  }
});

test("another key, no age file, and records that would not end are refused", async () => {
  const { identity, recipient } = await generateAgeKeys();
  const other = await generateAgeKeys();
  const bytes = await bytesOf(await encryptBackup(rows(3), recipient));
  expect(await refusedFor(readAll(bytes, other.identity))).toBe("BACKUP_REFUSED wrong_key");
  for (const file of [
    new Uint8Array(0),
    new Uint8Array(5000),
    new TextEncoder().encode("age-encryption.org/v1\n"),
  ])
    expect(await refusedFor(readAll(file, identity))).toBe("BACKUP_REFUSED malformed");
  const encrypt = (plain: Uint8Array) => {
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    return encrypter.encrypt(plain);
  };
  expect(await refusedFor(readAll(await encrypt(Uint8Array.of(255, 255, 255, 255, 0)), identity))).toBe(
    "BACKUP_REFUSED oversize",
  );
  expect(await refusedFor(readAll(await encrypt(Uint8Array.of(0, 0, 0, 9, 0)), identity))).toBe(
    "BACKUP_REFUSED damaged",
  );
  expect(await refusedFor(readAll(await encrypt(Uint8Array.of(0, 0, 0, 1, 0xff)), identity))).toBe(
    "BACKUP_REFUSED malformed",
  );
});

test("a large backup is made and read a piece at a time", async () => {
  const { identity, recipient } = await generateAgeKeys();
  let made = 0;
  async function* large(): AsyncGenerator {
    for (; made < 20_000; made++) yield ["item", "row", "y".repeat(500)];
  }
  const file = await encryptBackup(large(), recipient);
  const records = decryptBackup(file, identity);
  await records.next();
  expect(made).toBeLessThan(2_000);
  let read = 1;
  for await (const _ of records) read++;
  expect(read).toBe(20_000);
});

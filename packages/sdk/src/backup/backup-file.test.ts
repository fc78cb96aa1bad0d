import { Decrypter, Encrypter } from "age-encryption";
import { expect, test } from "vitest";
import { SottoError } from "../errors.ts";
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

const readAll = (bytes: Uint8Array, identity: string, pieceSize?: number): Promise<unknown[]> =>
  readStream(streamOf(bytes, pieceSize), identity);

async function readStream(...reading: Parameters<typeof decryptBackup>): Promise<unknown[]> {
  const read: unknown[] = [];
  for await (const records of decryptBackup(...reading)) read.push(...records);
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
  let read = (await records.next()).value?.length ?? 0;
  expect(made).toBeLessThan(2_000);
  for await (const more of records) {
    expect(more.length).toBeLessThan(200);
    read += more.length;
  }
  expect(read).toBe(20_000);
});

test("a header that would not end is not gathered", async () => {
  const { identity } = await generateAgeKeys();
  const version = "age-encryption.org/v1\n";
  for (const [head, piece] of [
    [`${version}-> X25519 `, "A".repeat(1000)],
    [version, "-> X25519 A\nAAAA\n".repeat(100)],
  ] as const) {
    let given = 0;
    const endless = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(head));
      },
      pull(controller) {
        if (++given > 1000) controller.close();
        else controller.enqueue(new TextEncoder().encode(piece));
      },
    });
    expect(await refusedFor(readStream(endless, identity))).toBe("BACKUP_REFUSED oversize");
    expect(given).toBeLessThan(100);
  }
});

/** Gives these bytes, and then nothing more. */
function stalledAfter(bytes: Uint8Array) {
  const closed = Promise.withResolvers<void>();
  const file = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes),
    cancel: () => closed.resolve(),
  });
  return { file, closed: closed.promise };
}

test("an error of the source stays what it is, in the header and behind it", async () => {
  const { identity, recipient } = await generateAgeKeys();
  const bytes = await bytesOf(await encryptBackup(rows(1500), recipient));
  for (const error of [new TypeError("network error"), new SottoError("NETWORK")]) {
    for (const length of [0, 50, 190, 100_000]) {
      const pieces = [bytes.slice(0, length)];
      const broken = new ReadableStream<Uint8Array>({
        pull(controller) {
          const piece = pieces.pop();
          if (piece) controller.enqueue(piece);
          else controller.error(error);
        },
      });
      const reading = readStream(broken, identity);
      await expect(reading, `${length} bytes`).rejects.toBe(error);
    }
  }
});

test("an abort ends the reading of a file that gives nothing more, and closes it", async () => {
  const { identity, recipient } = await generateAgeKeys();
  const bytes = await bytesOf(await encryptBackup(rows(1500), recipient));
  for (const length of [0, 50, 190, 100_000]) {
    const { file, closed } = stalledAfter(bytes.slice(0, length));
    const aborting = new AbortController();
    const reading = readStream(file, identity, aborting.signal);
    aborting.abort();
    await expect(reading, `${length} bytes`).rejects.toMatchObject({ code: "ABORTED" });
    await closed;
  }
});

test("a file that is refused is closed, also one that gives nothing more", async () => {
  const { identity, recipient } = await generateAgeKeys();
  const bytes = await bytesOf(await encryptBackup(rows(1500), recipient));
  bytes[100_000] = (bytes[100_000] ?? 0) ^ 1;
  for (const [given, refusal] of [
    [bytes.slice(0, 200_000), "BACKUP_REFUSED damaged"],
    [new TextEncoder().encode("no backup\n"), "BACKUP_REFUSED malformed"],
  ] as const) {
    const { file, closed } = stalledAfter(given);
    expect(await refusedFor(readStream(file, identity))).toBe(refusal);
    await closed;
  }
});

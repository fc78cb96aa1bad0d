import fc from "fast-check";
import { Decrypter, Encrypter, generateHybridIdentity, identityToRecipient } from "age-encryption";
import { describe, expect, test } from "vitest";
import { SottoError } from "../errors.ts";
import { type FileSource, readChunks, toStream } from "./bytes-streams.ts";
import { decryptFile } from "./decrypt-file.ts";
import { type FileSeal, encryptFile } from "./encrypt-file.ts";
import { paddedFileLength } from "./file-padding.ts";

const chunkBytes = 65_536;
const sealedChunkBytes = chunkBytes + 16;

async function* inChunks(bytes: Uint8Array, size = 10_007): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(source: FileSource): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of readChunks(source)) parts.push(part);
  return Buffer.concat(parts);
}

interface Sealed {
  ciphertext: Buffer;
  seal: FileSeal;
}

async function encrypt(source: FileSource): Promise<Sealed> {
  const { stream, seal } = await encryptFile(source);
  const ciphertext = await collect(stream);
  return { ciphertext, seal: await seal };
}

/** What a reader gets before the stream ends, or breaks off. */
async function open({ ciphertext, seal }: Sealed): Promise<{ released: Buffer; error: unknown }> {
  const parts: Uint8Array[] = [];
  try {
    for await (const part of readChunks(decryptFile(inChunks(ciphertext), seal))) parts.push(part);
    return { released: Buffer.concat(parts), error: undefined };
  } catch (error) {
    return { released: Buffer.concat(parts), error };
  }
}

const digest = async (bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes)));
/** As its sender would have named it. */
const named = async (ciphertext: Buffer, seal: FileSeal): Promise<Sealed> => ({
  ciphertext,
  seal: { ...seal, ciphertextSize: ciphertext.length, ciphertextSha256: await digest(ciphertext) },
});
const headerLength = (ciphertext: Buffer): number =>
  ciphertext.indexOf("\n", ciphertext.indexOf("\n--- ") + 1) + 17;
const pattern = (length: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, at) => (at * 7) % 251));

const threeChunks = pattern(3 * chunkBytes);
const whole = await encrypt(inChunks(threeChunks));

describe("round trips", () => {
  test.each([0, 1, 4095, 4096, 4097, chunkBytes - 1, chunkBytes, chunkBytes + 1, 1_000_003])(
    "of %i bytes",
    async (size) => {
      const bytes = pattern(size);
      const sealed = await encrypt(inChunks(bytes));
      expect(sealed.seal).toMatchObject({ size, ciphertextSize: sealed.ciphertext.length });
      expect(sealed.seal.ciphertextSha256).toEqual(await digest(sealed.ciphertext));
      expect(await open(sealed)).toEqual({ released: bytes, error: undefined });
      const padded = paddedFileLength(size);
      const chunks = Math.ceil(padded / chunkBytes);
      expect(sealed.ciphertext.length).toBe(headerLength(sealed.ciphertext) + padded + 16 * chunks);
    },
  );

  test("however source and ciphertext are cut; of a Blob and a stream too", async () => {
    const cut = fc.integer({ min: 1, max: 200_000 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 200_000 }), cut, cut, async (size, first, second) => {
        const bytes = pattern(size);
        const { ciphertext, seal } = await encrypt(inChunks(bytes, first));
        expect((await collect(decryptFile(inChunks(ciphertext, second), seal))).equals(bytes)).toBe(true);
      }),
      { numRuns: 10 },
    );
    for (const source of [new Blob([new Uint8Array(threeChunks)]), toStream(inChunks(threeChunks))]) {
      const sealed = await encrypt(source);
      expect((await open(sealed)).released.equals(threeChunks)).toBe(true);
    }
  });

  test("with age itself, in both directions", async () => {
    const decrypter = new Decrypter();
    decrypter.addIdentity(whole.seal.ageIdentity);
    const padded = await decrypter.decrypt(new Uint8Array(whole.ciphertext));
    expect(Buffer.from(padded).equals(threeChunks)).toBe(true);
    const encrypter = new Encrypter();
    encrypter.addRecipient(await identityToRecipient(whole.seal.ageIdentity));
    const ciphertext = Buffer.from(await encrypter.encrypt(new Uint8Array(4096)));
    const sealed = await named(ciphertext, { ...whole.seal, size: 4000 });
    expect(await open(sealed)).toEqual({ released: Buffer.alloc(4000), error: undefined });
  });

  test("never the same ciphertext or identity twice", async () => {
    const again = await encrypt(inChunks(threeChunks));
    expect(again.seal.ageIdentity).not.toBe(whole.seal.ageIdentity);
    expect(again.ciphertext.equals(whole.ciphertext)).toBe(false);
  });
});

const reject = (reason: string) =>
  expect.objectContaining({ code: "FILE_REJECTED", details: { reason } }) as unknown;

describe("what was altered", () => {
  const start = headerLength(whole.ciphertext);
  const chunk = (at: number): Buffer =>
    whole.ciphertext.subarray(start + at * sealedChunkBytes, start + (at + 1) * sealedChunkBytes);
  const head = whole.ciphertext.subarray(0, start);
  const flip = (at: number): Buffer => {
    const copy = Buffer.from(whole.ciphertext);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };

  test("but is named so by its message: only authentic chunks before it are released", async () => {
    const last = whole.ciphertext.length - 1;
    const cases: [string, Buffer, number, string][] = [
      ["a byte of the first chunk", flip(start + 5), 0, "chunk_rejected"],
      ["a byte of the second", flip(start + sealedChunkBytes + 5), 1, "chunk_rejected"],
      ["a byte of the last", flip(last), 2, "chunk_rejected"],
      ["the nonce", flip(start - 1), 0, "chunk_rejected"],
      ["first and second swapped", Buffer.concat([head, chunk(1), chunk(0), chunk(2)]), 0, "chunk_rejected"],
      ["the second twice", Buffer.concat([head, chunk(0), chunk(1), chunk(1), chunk(2)]), 2, "wrong_size"],
      ["the last one gone", Buffer.concat([head, chunk(0), chunk(1)]), 0, "wrong_size"],
      ["a byte too many", Buffer.concat([whole.ciphertext, Buffer.alloc(1)]), 2, "chunk_rejected"],
      ["a byte too few", whole.ciphertext.subarray(0, last), 2, "chunk_rejected"],
    ];
    for (const [what, ciphertext, chunks, reason] of cases) {
      const { released, error } = await open(await named(ciphertext, whole.seal));
      expect(error, what).toEqual(reject(reason));
      expect(
        released.equals(threeChunks.subarray(0, Math.min(chunks * chunkBytes, released.length))),
        what,
      ).toBe(true);
      expect(released.length, what).toBeLessThanOrEqual(chunks * chunkBytes);
    }
  });

  test("every byte of the header", async () => {
    for (let at = 0; at < start; at++) {
      const { released, error } = await open(await named(flip(at), whole.seal));
      expect(released, String(at)).toHaveLength(0);
      expect(error, String(at)).toMatchObject({ code: "FILE_REJECTED" });
    }
  });

  test("seeded: any byte, any cut, against the message's size and hash", async () => {
    const small = await encrypt(inChunks(pattern(5000)));
    const mutation = fc.oneof(
      fc.record({ at: fc.nat(small.ciphertext.length - 1), xor: fc.integer({ min: 1, max: 255 }) }),
      fc.record({ cut: fc.nat(small.ciphertext.length - 1) }),
      fc.record({ more: fc.uint8Array({ minLength: 1, maxLength: 50 }) }),
    );
    await fc.assert(
      fc.asyncProperty(mutation, async (how) => {
        let ciphertext = Buffer.from(small.ciphertext);
        if ("xor" in how) ciphertext[how.at] = (ciphertext[how.at] ?? 0) ^ how.xor;
        else if ("cut" in how) ciphertext = ciphertext.subarray(0, how.cut);
        else ciphertext = Buffer.concat([ciphertext, how.more]);
        const { released, error } = await open({ ciphertext, seal: small.seal });
        expect(released).toHaveLength(0);
        expect(error).toMatchObject({ code: "FILE_REJECTED" });
      }),
      { numRuns: 150 },
    );
  });

  test.each([
    ["its hash", { ciphertextSha256: new Uint8Array(32) }, "wrong_hash"],
    ["its size", { ciphertextSize: whole.seal.ciphertextSize - 1 }, "wrong_size"],
    ["a size that no such file has", { ciphertextSize: 1_000_000_000 }, "wrong_size"],
    ["another length of the file", { size: whole.seal.size - 1 }, "padding_invalid"],
    ["a length that needs more", { size: whole.seal.size + 40_000 }, "wrong_size"],
    ["no identity", { ageIdentity: "AGE-SECRET-KEY-1" }, "identity_invalid"],
    ["an empty identity", { ageIdentity: "" }, "identity_invalid"],
  ])("%s, as the message has it", async (_, change, reason) => {
    const { released, error } = await open({
      ciphertext: whole.ciphertext,
      seal: { ...whole.seal, ...change },
    });
    expect(error).toEqual(reject(reason));
    // Not the last chunk, unless only the padding tells.
    expect(released.length).toBeLessThanOrEqual(
      reason === "padding_invalid" ? whole.seal.size : 2 * chunkBytes,
    );
  });

  test("files that were swapped, and one for another kind of identity", async () => {
    const other = await encrypt(inChunks(threeChunks));
    const swapped = await open({
      ciphertext: other.ciphertext,
      seal: { ...whole.seal, ciphertextSize: other.seal.ciphertextSize },
    });
    expect(swapped).toEqual({ released: Buffer.alloc(0), error: reject("header_rejected") });
    const ageIdentity = await generateHybridIdentity();
    const hybrid = await open({ ciphertext: whole.ciphertext, seal: { ...whole.seal, ageIdentity } });
    expect(hybrid.error).toEqual(reject("identity_invalid"));
  });

  test("a header without end is not collected", async () => {
    let read = 0;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from("age-encryption.org/v1\n-> X25519 ");
      for (;;) {
        read += 1000;
        yield new Uint8Array(1000).fill(65);
      }
    };
    const seal = { ...whole.seal, size: 2 ** 40, ciphertextSize: 2 ** 40 + 2 ** 28 + 100 };
    await expect(collect(decryptFile(endless(), seal))).rejects.toEqual(reject("header_rejected"));
    expect(read).toBeLessThan(100_000);
  });
});

describe("what breaks off", () => {
  test("an abort ends encryption and decryption, and closes the source, also one that gives nothing", async () => {
    for (const run of [
      async (source: FileSource, signal: AbortSignal) =>
        collect((await encryptFile(source, { signal })).stream),
      (source: FileSource, signal: AbortSignal) => collect(decryptFile(source, whole.seal, { signal })),
    ]) {
      const abort = new AbortController();
      const closed = Promise.withResolvers<void>();
      const silent = new ReadableStream<Uint8Array>({
        cancel() {
          closed.resolve();
        },
      });
      const running = run(silent, abort.signal);
      abort.abort();
      await expect(running).rejects.toMatchObject({ code: "ABORTED" });
      await closed.promise;
    }
  });

  test("an error of the source stays what it is, and nothing counts as whole", async () => {
    const error = new SottoError("NETWORK");
    const broken = async function* (bytes: Uint8Array): AsyncGenerator<Uint8Array> {
      yield bytes;
      throw error;
    };
    const { stream } = await encryptFile(broken(threeChunks));
    await expect(collect(stream)).rejects.toBe(error);
    const cut = decryptFile(broken(whole.ciphertext.subarray(0, start2())), whole.seal);
    await expect(collect(cut)).rejects.toBe(error);
  });

  test("whoever reads no further closes the source", async () => {
    const closed = Promise.withResolvers<void>();
    const watched = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield* inChunks(whole.ciphertext);
      } finally {
        closed.resolve();
      }
    };
    const reader = decryptFile(watched(), whole.seal).getReader();
    await reader.read();
    await reader.cancel();
    await closed.promise;
  });
});

/** In the middle of the second chunk. */
function start2(): number {
  return headerLength(whole.ciphertext) + sealedChunkBytes + 100;
}

import fc from "fast-check";
import { expect, test } from "vitest";
import { padFile, paddedFileLength, unpadFile } from "./file-padding.ts";

async function* once(bytes: Uint8Array, chunk = bytes.length): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += Math.max(1, chunk))
    yield bytes.subarray(at, at + Math.max(1, chunk));
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of chunks) parts.push(part);
  return Buffer.concat(parts);
}

test("lengths keep few bits, and grow by at most an eighth", () => {
  expect(paddedFileLength(0)).toBe(4096);
  expect(paddedFileLength(4096)).toBe(4096);
  expect(paddedFileLength(4097)).toBe(4352);
  fc.assert(
    fc.property(fc.integer({ min: 4097, max: 2 ** 50 }), (length) => {
      const padded = paddedFileLength(length);
      expect(padded).toBeGreaterThanOrEqual(length);
      expect(padded).toBeLessThanOrEqual(length * 1.125);
      expect(paddedFileLength(padded)).toBe(padded);
      expect(paddedFileLength(length + 1)).toBeGreaterThanOrEqual(padded);
    }),
  );
});

test("what was padded is given back, however it is cut", async () => {
  const cut = fc.integer({ min: 1, max: 9000 });
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 9000 }), cut, cut, async (bytes, first, second) => {
      let size = -1;
      const padded = await collect(padFile(once(bytes, first), (counted) => (size = counted)));
      expect([size, padded.length]).toEqual([bytes.length, paddedFileLength(bytes.length)]);
      expect(await collect(unpadFile(once(padded, second), size))).toEqual(Buffer.from(bytes));
    }),
  );
});

test.each([
  ["too short", new Uint8Array(4095)],
  ["too long", new Uint8Array(4352)],
  ["with something in its padding", new Uint8Array(4096).fill(1, 4095)],
])("padding that is %s is refused", async (_, padded) => {
  await expect(collect(unpadFile(once(padded, 1000), 100))).rejects.toMatchObject({
    code: "FILE_REJECTED",
    details: { reason: "padding_invalid" },
  });
});

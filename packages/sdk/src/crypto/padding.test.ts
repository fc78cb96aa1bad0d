import fc from "fast-check";
import { expect, it } from "vitest";
import { minPaddedBytes, pad, paddedLength, padmeLength, unpad } from "./padding.ts";

const marked = (length: number, at: number, byte = 0x80) => new Uint8Array(length).fill(byte, at, at + 1);

it("gives the bytes back, zeros and markers at the end included", () => {
  const bytes = fc.uint8Array({ maxLength: 3000 });
  const tail = fc.array(fc.constantFrom(0, 0x80), { maxLength: 10 });
  fc.assert(
    fc.property(bytes, tail, (start, end) => {
      const original = Uint8Array.of(...start, ...end);
      expect(unpad(pad(original))).toEqual(original);
    }),
  );
});

it("costs at most 12 %, and leaves few lengths to tell apart", () => {
  fc.assert(
    fc.property(fc.integer({ min: minPaddedBytes, max: 200_000 }), (length) => {
      expect(padmeLength(length)).toBeGreaterThanOrEqual(length);
      expect(padmeLength(length)).toBeLessThanOrEqual(length * 1.12);
      expect(padmeLength(padmeLength(length))).toBe(padmeLength(length));
    }),
  );
  expect([0, 1, 100, 255].map(paddedLength)).toEqual([256, 256, 256, 256]);
  expect(paddedLength(256)).toBe(272);
  const lengths = new Set(Array.from({ length: 65_536 }, (_, length) => paddedLength(length)));
  expect(lengths.size).toBeLessThan(130);
});

it("refuses what it did not make", () => {
  expect(unpad(new Uint8Array(256))).toBeUndefined();
  expect(unpad(new Uint8Array())).toBeUndefined();
  expect(unpad(marked(256, 10, 0x81))).toBeUndefined();
  expect(unpad(marked(257, 10))).toBeUndefined();
  expect(unpad(marked(512, 10))).toBeUndefined();
  expect(unpad(marked(256, 10))).toEqual(new Uint8Array(10));
});

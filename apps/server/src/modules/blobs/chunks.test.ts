import fc from "fast-check";
import { expect, test } from "vitest";
import { inPieces } from "./chunks.ts";

async function* from(parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

test("pieces are full but for the last, and hold the same bytes", async () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(parts, fc.integer({ min: 1, max: 16 }), async (source, size) => {
      const pieces: Buffer[] = [];
      for await (const piece of inPieces(from(source), size)) pieces.push(piece);
      expect(Buffer.concat(pieces)).toEqual(Buffer.concat(source));
      for (const piece of pieces.slice(0, -1)) expect(piece).toHaveLength(size);
      for (const piece of pieces) expect(piece.length).toBeGreaterThan(0);
    }),
  );
});

import { createHash } from "node:crypto";
import { decodeBase64url, decodeHex } from "@sotto/schema";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type UserIdentity, computeSafetyNumber } from "./safety-number.ts";

const identities = fc.record({
  userId: fc.uuid(),
  uik: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Uint8Array.from(bytes)),
});

/** By the text of PROTOCOL §8.7, with another SHA-512 and other arithmetic. */
function halfByTheBook({ userId, uik }: UserIdentity): string {
  let h = Buffer.concat([Buffer.from([0, 1]), uik, Buffer.from(userId.replaceAll("-", ""), "hex")]);
  for (let i = 0; i < 5200; i++) {
    h = createHash("sha512")
      .update(Buffer.concat([h, uik]))
      .digest();
  }
  let digits = "";
  for (let at = 0; at < 30; at += 5) {
    digits += (BigInt(`0x${h.subarray(at, at + 5).toString("hex")}`) % 100000n).toString().padStart(5, "0");
  }
  return digits;
}

const byTheBook = (one: UserIdentity, other: UserIdentity): string =>
  [halfByTheBook(one), halfByTheBook(other)].toSorted().join("");

test("a second implementation gives the same 60 digits, whoever asks", async () => {
  await fc.assert(
    fc.asyncProperty(identities, identities, async (one, other) => {
      const number = await computeSafetyNumber(one, other);
      expect(number.digits).toBe(byTheBook(one, other));
      expect(number.digits).toMatch(/^\d{60}$/);
      expect(await computeSafetyNumber(other, one)).toEqual(number);
    }),
    { numRuns: 5 },
  );
}, 30_000);

test("another key or another user gives other digits and another QR", async () => {
  const [alice, bob] = fc.sample(identities, { numRuns: 2, seed: 7 }) as [UserIdentity, UserIdentity];
  const numbers = await Promise.all([
    computeSafetyNumber(alice, bob),
    computeSafetyNumber(alice, { ...bob, uik: Uint8Array.from(bob.uik, (byte) => byte ^ 1) }),
    computeSafetyNumber(alice, { ...bob, userId: alice.userId }),
  ]);
  expect(new Set(numbers.map(({ digits }) => digits)).size).toBe(3);
  expect(new Set(numbers.map(({ qr }) => qr)).size).toBe(3);
});

test("the vector of docs/PROTOCOL.md", async () => {
  const one = { userId: "0198c0de-0000-7000-8000-00000000a11c", uik: decodeHex("01".repeat(32)) };
  const other = { userId: "0198c0de-0000-7000-8000-000000000b0b", uik: decodeHex("02".repeat(32)) };
  const { digits, qr } = await computeSafetyNumber(one, other);
  expect(digits).toBe(byTheBook(one, other));
  expect(decodeBase64url(qr.slice("sotto-safety:1.".length))).toHaveLength(115);
});

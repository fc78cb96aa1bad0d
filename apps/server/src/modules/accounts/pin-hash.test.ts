import { expect, test } from "vitest";
import { hashPin, isSamePin } from "./pin-hash.ts";

test("a PIN is known again by its salt and hash, and no other is", async () => {
  const stored = await hashPin("4711");
  expect(isSamePin(await hashPin("4711", stored.salt), stored)).toBe(true);
  expect(isSamePin(await hashPin("4712", stored.salt), stored)).toBe(false);
  expect(isSamePin(await hashPin("4711 ", stored.salt), stored)).toBe(false);
});

test("each hash has a salt of its own; with another salt nothing is said", async () => {
  const [one, other] = [await hashPin("4711"), await hashPin("4711")];
  expect(one.hash.equals(other.hash)).toBe(false);
  expect([one.salt.length, one.hash.length]).toEqual([16, 32]);
  expect(isSamePin(one, other)).toBeUndefined();
});

test("a letter is the same however the keyboard writes it", async () => {
  const stored = await hashPin("gr\u00fc\u00dfe");
  expect(isSamePin(await hashPin("gru\u0308\u00dfe", stored.salt), stored)).toBe(true);
});

import { expect, test } from "vitest";
import { Canaries } from "./canaries.ts";

test.each([0, 1, 2, 3, 5])("a canary is found in every form, %i bytes into something longer", (before) => {
  const canaries = new Canaries();
  const text = canaries.plant("text");
  canaries.addBytes(
    "key",
    Uint8Array.from({ length: 32 }, (_, at) => 255 - at),
  );
  const key = Buffer.from(Uint8Array.from({ length: 32 }, (_, at) => 255 - at));
  for (const [what, bytes] of [
    ["text", Buffer.from(text)],
    ["key", key],
  ] as const) {
    const longer = Buffer.concat([Buffer.alloc(before, 7), bytes, Buffer.from("more")]);
    const forms = (["hex", "base64", "base64url", "latin1"] as const).map((form) => longer.toString(form));
    for (const form of [...forms, longer.toString("hex").toUpperCase()]) {
      expect([...canaries.foundInAnyForm(Buffer.from(form, "latin1"))], form).toEqual([what]);
    }
    expect([...canaries.foundInAnyForm(longer)]).toEqual([what]);
  }
  expect([...canaries.foundInAnyForm("canary-text-")]).toEqual([]);
});

test("a code counts by itself, not within a longer number", () => {
  const canaries = new Canaries();
  canaries.addCode("otp", "123456");
  expect([...canaries.foundInAnyForm('{"code":"123456"}')]).toEqual(["otp"]);
  for (const text of ["91234567", "12:00:00.123456+00", "a123456"]) {
    expect([...canaries.foundInAnyForm(text)], text).toEqual([]);
  }
});

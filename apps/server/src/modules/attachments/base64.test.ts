import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBase64 } from "./base64.ts";

test("reads what is encoded by either alphabet", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const buffer = Buffer.from(bytes);
      const [standard, url] = [buffer.toString("base64"), buffer.toString("base64url")];
      expect(decodeBase64(standard)).toEqual(buffer);
      if (/[-_]/.test(url)) expect(decodeBase64(url)).toEqual(buffer);
      expect(decodeBase64(standard.replaceAll("+", "-").replaceAll("/", "_"))).toEqual(buffer);
    }),
  );
});

test("gives undefined, or bytes that encode to the same text", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("A", "b", "9", "+", "/", "-", "_", "=", " ", "\n", "é") }),
      (text) => {
        const bytes = decodeBase64(text);
        if (!bytes) return;
        const same = [
          bytes.toString("base64"),
          bytes.toString("base64url"),
          bytes.toString("base64").replaceAll("+", "-").replaceAll("/", "_"),
        ];
        expect(same).toContain(text);
      },
    ),
  );
});

test.each([
  "A",
  "AA",
  "AAA",
  "AA=",
  "AB==",
  "AA==AA==",
  "AA ==",
  "AAAA\n",
  "+A-A",
  "=",
  "====",
  "ü",
  "-A=",
  "AA===",
])("refuses %j", (text) => {
  expect(decodeBase64(text)).toBeUndefined();
});

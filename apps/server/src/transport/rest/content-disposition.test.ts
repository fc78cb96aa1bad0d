import fc from "fast-check";
import { expect, test } from "vitest";
import { attachmentDisposition } from "./content-disposition.ts";

test.each([
  [null, "attachment"],
  ["", "attachment"],
  ["a b.txt", 'attachment; filename="a b.txt"'],
  ['a";x="b', `attachment; filename="a_;x=_b"; filename*=UTF-8''a%22%3Bx%3D%22b`],
  ["a\r\nSet-Cookie: x", 'attachment; filename="a__Set-Cookie: x"'],
  ["../../etc/passwd", 'attachment; filename=".._.._etc_passwd"'],
  ["..\\x", 'attachment; filename=".._x"'],
  ["grüße.txt", `attachment; filename="gr__e.txt"; filename*=UTF-8''gr%C3%BC%C3%9Fe.txt`],
  ["exe.\u202etxt", 'attachment; filename="exe._txt"'],
  ["100%.txt", `attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt`],
])("%j", (filename, header) => {
  expect(attachmentDisposition(filename)).toBe(header);
});

test("is one header of visible ASCII, whatever the name", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (filename) => {
      const header = attachmentDisposition(filename);
      expect(header).toMatch(
        /^attachment(; filename="[ !#$&-[\]-~]*"(; filename\*=UTF-8''[\w!#$&+.^`|~%-]*)?)?$/,
      );
    }),
  );
});

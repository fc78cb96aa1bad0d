import { expect, test } from "vitest";
import { findImageType } from "./image-type.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");

test.each([
  ["\x89PNG\r\n\x1a\nrest", "image/png"],
  ["\xff\xd8\xff\xe0rest", "image/jpeg"],
  ["GIF87a", "image/gif"],
  ["GIF89a…", "image/gif"],
  ["RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"],
])("%j is %s", (text, type) => {
  expect(findImageType(bytes(text))).toBe(type);
});

test.each([
  "",
  "\x89PNG",
  "\x89PNG\n\x1a\n",
  "\xff\xd8",
  "GIF88a",
  "RIFF\x10\x00\x00\x00WAVEfmt ",
  "RIFFWEBP",
  '<svg xmlns="http://www.w3.org/2000/svg">',
  "<html>",
  "%PDF-1.7",
])("%j is none", (text) => {
  expect(findImageType(bytes(text))).toBeUndefined();
});

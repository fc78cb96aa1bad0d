import { expect, test } from "vitest";
import { wordsOf } from "./words.ts";

test.each([
  ["Meet at the Café, at six!", ["meet", "at", "the", "cafe", "six"]],
  ["ＦＵＬＬ width", ["full", "width"]],
  ["snake_case 42 ünïcödé", ["snake_case", "42", "unicode"]],
  ["", []],
  ["… — !", []],
])("%j", (text, words) => expect(wordsOf(text)).toEqual(words));

test("finds words where nothing sets them apart", () => {
  expect(wordsOf("今日は良い天気です")).toContain("天気");
});

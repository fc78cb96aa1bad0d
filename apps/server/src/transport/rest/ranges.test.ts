import { expect, test } from "vitest";
import { parseRange } from "./ranges.ts";

test.each([
  ["bytes=0-0", { start: 0, end: 0 }],
  ["bytes=2-5", { start: 2, end: 5 }],
  ["bytes=2-", { start: 2, end: 9 }],
  ["bytes=2-99", { start: 2, end: 9 }],
  ["bytes=-3", { start: 7, end: 9 }],
  ["bytes=-99", { start: 0, end: 9 }],
  ["Bytes= 0-1 ", { start: 0, end: 1 }],
  ["bytes=9-9", { start: 9, end: 9 }],
])("%s of ten bytes", (header, range) => {
  expect(parseRange(header, 10)).toEqual(range);
});

test.each(["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=999999999999999-"])(
  "%s of ten bytes cannot be satisfied",
  (header) => {
    expect(parseRange(header, 10)).toBe("unsatisfiable");
  },
);

test.each([
  undefined,
  "",
  "bytes",
  "bytes=",
  "bytes=-",
  "bytes=5-2",
  "bytes=a-b",
  "bytes=0-1,3-4",
  "items=0-1",
  "bytes=0x1-2",
  "bytes=1e3-",
])("%s asks for the whole", (header) => {
  expect(parseRange(header, 10)).toBeUndefined();
});

test("of nothing no range can be satisfied", () => {
  for (const header of ["bytes=0-", "bytes=0-0", "bytes=-1"])
    expect(parseRange(header, 0)).toBe("unsatisfiable");
});

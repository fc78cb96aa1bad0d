import { expect, test } from "vitest";
import { newConnectionId } from "./sockets.ts";

test("a later connection's id sorts behind those of before, also within a millisecond", () => {
  const ids = Array.from({ length: 10_000 }, newConnectionId);
  expect(ids).toEqual(ids.toSorted());
  expect(new Set(ids).size).toBe(ids.length);
});

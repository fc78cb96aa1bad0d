import { expect, test } from "vitest";
import { toProfileTable } from "./profile-table.ts";

const frame = (functionName: string, url = "", lineNumber = 0) => ({ functionName, url, lineNumber });

test("the dearest functions first, each with its share of what was not waiting", () => {
  const table = toProfileTable("send", {
    nodes: [
      { id: 1, callFrame: frame("(idle)") },
      { id: 2, callFrame: frame("seal", "file:///sotto/seal.ts", 6) },
      { id: 3, callFrame: frame("writev") },
      { id: 4, callFrame: frame("seal", "file:///sotto/seal.ts", 6) },
    ],
    samples: [1, 2, 3, 4, 1],
    timeDeltas: [5000, 1000, 1000, 2000, 5000],
  });
  expect(table.split("\n")).toEqual([
    "# send",
    "",
    "JavaScript and its calls: 4 ms, by function, the dearest first.",
    "",
    "| Share | ms | Function |",
    "|---|---|---|",
    "| 75.0 % | 3 | seal seal.ts:7 |",
    "| 25.0 % | 1 | writev |",
    "",
  ]);
});

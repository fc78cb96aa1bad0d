import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ReplayWindow, acceptCounter, missingCounters, replayWindowSize } from "./replay-window.ts";

/** Small steps, repeats, jumps over the whole window and back. */
const counters = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 60 }) },
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 3000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1000, max: 1100 }) },
  ),
  { maxLength: 200, minLength: 1 },
);

describe("the window", () => {
  it("answers as a list of everything ever seen would", () => {
    fc.assert(
      fc.property(counters, (arriving) => {
        let window: ReplayWindow | undefined;
        const seen = new Set<number>();
        for (const counter of arriving) {
          const highest = Math.max(-1, ...seen);
          const isOld = seen.size > 0 && counter <= highest - replayWindowSize;
          const expected = isOld ? "too_old" : seen.has(counter) ? "replayed" : "fresh";
          const answer = acceptCounter(window, counter);
          expect(answer.verdict).toBe(expected);
          if (answer.verdict !== "fresh") continue;
          const isGap = seen.size > 0 && counter > highest + 1;
          expect(answer.withheld).toEqual(isGap ? { from: highest + 1, to: counter - 1 } : undefined);
          seen.add(counter);
          window = structuredClone(answer.window);
          const newest = Math.max(...seen);
          const from = Math.max(arriving[0] ?? 0, newest - replayWindowSize + 1, 0);
          const unseen = Array.from({ length: newest - from }, (_, at) => from + at).filter(
            (one) => !seen.has(one),
          );
          expect(missingCounters(window)).toEqual(unseen);
        }
      }),
    );
  });

  it("leaves the state it was given as it was", () => {
    const first = acceptCounter(undefined, 5);
    if (first.verdict !== "fresh") throw new Error("unexpected");
    const before = structuredClone(first.window);
    acceptCounter(first.window, 4000);
    expect(first.window).toEqual(before);
  });

  it("survives the largest counter", () => {
    const first = acceptCounter(undefined, 0);
    if (first.verdict !== "fresh") throw new Error("unexpected");
    const last = acceptCounter(first.window, Number.MAX_SAFE_INTEGER);
    expect(last.verdict).toBe("fresh");
    if (last.verdict === "fresh")
      expect(acceptCounter(last.window, Number.MAX_SAFE_INTEGER).verdict).toBe("replayed");
  });
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { SortedKeys } from "./sorted-keys.ts";

const key = fc.stringMatching(/^[ab]\/[0-3]{1,3}$/);
const change = fc.record({ key, isDeleted: fc.boolean(), times: fc.constantFrom(1, 600) });
const selection = fc.record({
  prefix: fc.constantFrom("", "a/", "b/1", "c/"),
  after: fc.option(key, { nil: undefined }),
  limit: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
  isReversed: fc.boolean(),
});

test("selects as a sorted list of all keys would", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(change, selection), { maxLength: 30 }), (steps) => {
      const keys = new SortedKeys();
      const model = new Set<string>();
      for (const [{ key: changed, isDeleted, times }, { prefix, after, limit, isReversed }] of steps) {
        // Many at once are sorted in.
        for (let n = 0; n < times; n++) {
          const one = n === 0 ? changed : `${changed}/${n}`;
          if (isDeleted) keys.delete(one);
          else keys.add(one);
          if (isDeleted) model.delete(one);
          else model.add(one);
        }
        const expected = [...model]
          .filter((one) => one.startsWith(prefix))
          .filter((one) => after === undefined || (isReversed ? one < after : one > after))
          .toSorted();
        if (isReversed) expected.reverse();
        expect(keys.select(prefix, { after, limit, isReversed })).toEqual(expected.slice(0, limit));
      }
    }),
  );
});

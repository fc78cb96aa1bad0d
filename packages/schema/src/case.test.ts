import fc from "fast-check";
import { expect, test } from "vitest";
import { toCamel, toCamelKeys, toSnake, toSnakeKeys } from "./case.ts";
import { contract } from "./contract.ts";
import type { Procedure } from "./procedure.ts";

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,6}$/);
const camelKey = fc
  .tuple(word, fc.array(fc.stringMatching(/^[A-Z][a-z0-9]{0,6}$/), { maxLength: 3 }))
  .map(([first, rest]) => first + rest.join(""));

const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.string(),
    fc.integer(),
    fc.constantFrom(null, true),
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.dictionary(camelKey, tie("tree"), { maxKeys: 4 }),
  ),
}));

test("what the one mapping makes, the other takes back, however deep", () => {
  fc.assert(
    fc.property(tree, (value) => {
      expect(JSON.stringify(toCamelKeys(toSnakeKeys(value)))).toBe(JSON.stringify(value));
    }),
  );
});

test("keys are mapped, values are left as they are", () => {
  expect(toSnakeKeys({ userId: "aB_c", list: [{ sentAt: "sentAt" }], none: null })).toEqual({
    user_id: "aB_c",
    list: [{ sent_at: "sentAt" }],
    none: null,
  });
  for (const value of ["aB", 5, null, true, undefined]) expect(toSnakeKeys(value)).toBe(value);
});

test("no key reaches a prototype", () => {
  const given: unknown = JSON.parse(
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
  );
  for (const mapped of [toCamelKeys(given), toSnakeKeys(given)]) {
    expect(Object.getPrototypeOf(mapped)).toBeNull();
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  }
});

test("every field of the contract survives the mapping", () => {
  const fields = Object.values(contract).flatMap((area) =>
    Object.values(area).flatMap((procedure: Procedure) => Object.keys(procedure.input.shape)),
  );
  expect(fields.length).toBeGreaterThan(20);
  for (const field of fields) {
    expect(toCamel(toSnake(field))).toBe(field);
    expect(toSnake(field)).toMatch(/^[a-z][a-z0-9_]*$/);
  }
});

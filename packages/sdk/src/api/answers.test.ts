import { contract } from "@sotto/schema";
import { expect, test } from "vitest";
import { answers } from "./answers.ts";

const areas: Record<string, Record<string, unknown>> = answers;
const procedures: Record<string, Record<string, { output: unknown }>> = contract;
const called = Object.entries(areas).flatMap(([area, names]) =>
  Object.entries(names).map(([name, schema]) => ({ path: `${area}.${name}`, area, name, schema })),
);

test.each(called.filter(({ path }) => path !== "sync.fill"))(
  "$path is held against the contract's own schema",
  ({ area, name, schema }) => {
    expect(schema).toBe(procedures[area]?.[name]?.output);
  },
);

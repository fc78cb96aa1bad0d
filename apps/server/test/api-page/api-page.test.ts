import path from "node:path";
import { contract, errors, type Procedure } from "@sotto/schema";
import { expect, test } from "vitest";
import { z } from "zod";
import { writeApiPage } from "./api-page.ts";
import { boundsText, typeText } from "./type-text.ts";

test("docs/API.md is what the contract gives", async () => {
  const advice = "The contract has changed: `npm run docs:api` writes docs/API.md anew";
  await expect(writeApiPage(), advice).toMatchFileSnapshot(
    path.join(import.meta.dirname, "../../../../docs/API.md"),
  );
});

test("the page names each procedure, each route and each error", () => {
  const page = writeApiPage();
  for (const [area, procedures] of Object.entries(contract)) {
    for (const [name, { rest }] of Object.entries(procedures) as [string, Procedure][]) {
      expect(page).toContain(`\n### ${area}.${name}\n`);
      if (rest) expect(page).toContain(`\n\`${rest.method} ${rest.path}\` · `);
    }
  }
  for (const code of Object.keys(errors)) expect(page).toContain(`</a>${code} | `);
});

function write(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema);
  return `${typeText(json, (key) => key)} ${boundsText(json)}`.trimEnd();
}

test("types and bounds are written so that a person can read them", () => {
  expect(write(z.object({ a: z.string().optional(), b: z.int().nullable() }))).toBe(
    "{ a?: string, b: integer | null }",
  );
  expect(write(z.array(z.union([z.guid(), z.number()])).max(1_024))).toBe(
    "(uuid | number)[] at most 1,024 items",
  );
  expect(write(z.string().min(1).max(64).nullable())).toBe("string | null 1 to 64 characters");
  expect(write(z.int().min(0))).toBe("integer at least 0");
  expect(write(z.record(z.string(), z.enum(["a", "b"])))).toBe('{ [key]: "a" | "b" }');
  const long = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`field${i}`, z.string()]));
  expect(write(z.array(z.object(long)))).toMatch(
    /^\{\n {2}field0: string\n[^]*\n {2}field11: string\n\}\[\]$/,
  );
});

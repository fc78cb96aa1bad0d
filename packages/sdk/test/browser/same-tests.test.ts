/** Runs the SDK's own test files in Chromium, but those that are about Node (`*.node.test.ts`). */
import { globSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openPage } from "./open-page.ts";
import type { PageResult } from "./page-result.ts";

const source = join(import.meta.dirname, "../../src");
const timeoutMs = 120_000;
const files = globSync("**/*.test.ts", { cwd: source })
  .filter((file) => !file.endsWith(".node.test.ts"))
  .toSorted();

const results = Map.groupBy(await run(), ({ file }) => file);

describe.each(files)("in Chromium: %s", (file) => {
  const ofFile = results.get(file) ?? [];
  test("holds tests", () => {
    expect(ofFile.length).toBeGreaterThan(0);
  });
  test.each(ofFile)("$name", ({ state, errors }) => {
    if (errors.length > 0) throw new Error(errors.join("\n"));
    expect(state).toBe("passed");
  });
});

async function run(): Promise<PageResult[]> {
  const imports = files.map(
    (file) => `${JSON.stringify(file)}: () => import(${JSON.stringify(join(source, file))})`,
  );
  await using opened = await openPage(`
    import { runInPage } from "./run-in-page.ts";
    globalThis.results = runInPage({ ${imports.join(", ")} });
  `);
  const { page, complaints } = opened;
  try {
    await page.waitForFunction("globalThis.results", undefined, { timeout: timeoutMs });
    return await page.evaluate<PageResult[]>("globalThis.results");
  } catch (error) {
    throw new Error(`the page gave no results: ${complaints.join("\n")}`, { cause: error });
  }
}

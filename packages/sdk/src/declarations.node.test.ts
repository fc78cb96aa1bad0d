import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import * as z from "zod";

const repository = join(import.meta.dirname, "../../..");
const out = mkdtempSync(join(tmpdir(), "sotto-types-"));
afterAll(() => rmSync(out, { recursive: true, force: true }));

const { dependencies } = z
  .object({ dependencies: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(repository, "packages/sdk/package.json"), "utf8")));
const isDependency = (module: string) =>
  Object.keys(dependencies).some((name) => module === name || module.startsWith(`${name}/`));

test("the published types know the contract and never the server", () => {
  const flags = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", out];
  const built = spawnSync(
    process.execPath,
    [
      join(repository, "node_modules/typescript/bin/tsc"),
      "-p",
      join(repository, "packages/sdk"),
      "--rootDir",
      join(repository, "packages"),
      ...flags,
    ],
    { encoding: "utf8" },
  );
  expect(built.stdout + built.stderr).toBe("");
  const folder = join(out, "sdk/src");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (name) => name.endsWith(".d.ts") && !/\.test\.d\.ts$|fixtures|conformance/.test(name),
  );
  expect(files).toContain("index.d.ts");
  for (const name of files) {
    const text = readFileSync(join(folder, name), "utf8").replaceAll(/\/\*\*.*?\*\//gs, "");
    expect(text, name).not.toMatch(/@sotto\/server|apps\/server|@trpc\/server|kysely|"pg"|"ws"/);
    const imported = [...text.matchAll(/(?:from |import\()"([^".][^"]*)"/g)].map(([, module = ""]) => module);
    expect(
      imported.filter((module) => !isDependency(module)),
      name,
    ).toEqual([]);
  }
}, 60_000);

// Each direct dependency has its reason in docs/DEPENDENCIES.md, and a licence that MIT software may stand on.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "./places.mjs";

const allowedLicences = new Set([
  "MIT",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "BlueOak-1.0.0",
  "0BSD",
  // A choice of which one is allowed.
  "(0BSD OR CC0-1.0 OR Unlicense)",
  "PostgreSQL",
]);
const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));
const folders = [
  ".",
  ...["packages", "apps"].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(parent, name)),
  ),
].filter((folder) => existsSync(join(root, folder, "package.json")));

const direct = folders.flatMap((folder) => {
  const { dependencies, devDependencies, optionalDependencies, peerDependencies } = readJson(
    join(root, folder, "package.json"),
  );
  return Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies, ...peerDependencies })
    .filter((name) => !name.startsWith("@sotto/"))
    .map((name) => ({ name, folder }));
});
const documented = new Map(
  readFileSync(join(root, "docs", "DEPENDENCIES.md"), "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, name, licence] = /^\| `([^`]+)` \| ([^|]+) \|/.exec(line) ?? [];
      return name ? [[name, licence.trim()]] : [];
    }),
);

describe("dependencies", () => {
  it.each(direct)("$name of $folder is in docs/DEPENDENCIES.md with its licence", ({ name, folder }) => {
    expect([...documented.keys()]).toContain(name);
    expect(allowedLicences).toContain(documented.get(name));
    const manifest = join(root, folder, "node_modules", name, "package.json");
    // Packages of another platform are not installed here.
    if (existsSync(manifest)) expect(readJson(manifest).license).toBe(documented.get(name));
  });

  it("holds no entry for a package that is gone", () => {
    expect([...documented.keys()].filter((name) => direct.every((one) => one.name !== name))).toEqual([]);
  });
});

// Joins the packages that the server imports into few files for `npm start`: finding and reading their hundreds
// of small modules takes longer than running them (kysely 130 → 10 ms, zod 55 → 15). fast-imports.mjs uses them.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { bundledPackages, root } from "./places.mjs";

// Not those that look for files beside their own (pino, swagger-ui-dist) or are few modules anyway.
const packages = [
  [
    "apps/server",
    "find-my-way",
    "ioredis",
    "jose",
    "kysely",
    "pg",
    "prom-client",
    "rate-limiter-flexible",
    "uuid",
    "ws",
    "zod",
  ],
  ["packages/schema", "cborg"],
];

rmSync(bundledPackages, { recursive: true, force: true });
const entryPoints = {};
const files = {};
for (const [workspace, ...names] of packages) {
  // Below the workspace, so that both Node and the bundler find what it depends on.
  const entries = join(root, workspace, "node_modules", ".sotto-entries");
  mkdirSync(entries, { recursive: true });
  writeFileSync(join(entries, "load.mjs"), "export const load = (specifier) => import(specifier);\n");
  const { load } = await import(pathToFileURL(join(entries, "load.mjs")).href);
  for (const specifier of names.flatMap((name) => listSpecifiers(join(entries, "..", name), name))) {
    const module = await load(specifier).catch(() => undefined);
    // An entry of types only.
    if (!module) continue;
    const name = specifier.replaceAll("/", "-");
    entryPoints[name] = join(entries, `${name}.mjs`);
    files[specifier] = `${name}.mjs`;
    writeFileSync(entryPoints[name], reexport(specifier, module));
  }
}
// One build for all, so that they keep sharing their modules.
await build({
  entryPoints,
  outdir: bundledPackages,
  outExtension: { ".js": ".mjs" },
  banner: {
    js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
  },
  bundle: true,
  splitting: true,
  external: ["pg-native"],
  platform: "node",
  format: "esm",
  target: "node26",
  logLevel: "error",
});
writeFileSync(join(bundledPackages, "index.json"), JSON.stringify(files));

function listSpecifiers(folder, name) {
  const { exports = { ".": "" } } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const entries = Object.keys(exports).filter((key) => /^\.(\/[\w/-]+)?$/.test(key));
  return (entries.length > 0 ? entries : ["."]).map((entry) => name + entry.slice(1));
}

// Named one by one: of a CommonJS package a bundler would export the default alone.
function reexport(specifier, module) {
  const names = Object.keys(module).filter((name) => /^[\w$]+$/.test(name));
  return `export { ${names.join(", ")} } from ${JSON.stringify(specifier)};\n`;
}

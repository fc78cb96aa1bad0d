// The SDK as a browser gets it: bundled from dist, minified, compressed.
import { existsSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const kilobyte = 1024;
const entries = [
  { name: "@sotto/sdk/sealed", file: "packages/sdk/dist/sealed.js", budget: 35 * kilobyte, isLimit: true },
  { name: "@sotto/sdk", file: "packages/sdk/dist/index.js", budget: 130 * kilobyte, isLimit: false },
];

for (const { name, file, budget, isLimit } of entries) {
  if (!existsSync(file)) {
    console.log(`     ${name}: ${file} has not been built`);
    process.exitCode = 1;
    continue;
  }
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    logLevel: "error",
  });
  const size = outputFiles.reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0);
  const isOver = size > budget;
  const verdict = isOver ? (isLimit ? "too large" : "over its goal") : "fine";
  console.log(`     ${name}: ${(size / kilobyte).toFixed(1)} of ${budget / kilobyte} KB, ${verdict}`);
  if (isOver && isLimit) process.exitCode = 1;
}

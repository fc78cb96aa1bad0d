// The SDK as a browser gets it: bundled from dist, split into chunks, minified, compressed. What a page loads at once
// and all that it may ever load have a limit each (docs/adr/0016-parts-of-the-sdk-on-demand.md).
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const kilobyte = 1024;
const dist = "packages/sdk/dist";
const client = ["index.js"];
const entries = [
  { name: "@sotto/sdk/sealed", files: ["sealed.js"], atOnce: 35, inAll: 35 },
  { name: "@sotto/sdk", files: client, atOnce: 130, inAll: 176 },
  { name: "@sotto/sdk with @sotto/sdk/browser", files: [...client, "browser.js"], atOnce: 130, inAll: 181 },
  { name: "@sotto/sdk/webhooks", files: ["webhooks.js"], atOnce: 20, inAll: 20 },
];

for (const entry of entries) {
  const missing = entry.files.find((file) => !existsSync(`${dist}/${file}`));
  if (missing) {
    console.log(`     ${entry.name}: ${dist}/${missing} has not been built`);
    process.exitCode = 1;
    continue;
  }
  const { atOnce, later } = await measure(entry.files);
  report(entry.name, "at once", atOnce, entry.atOnce);
  if (later.length === 0) continue;
  report(entry.name, "in all", sum([atOnce, ...later.map(({ bytes }) => bytes)]), entry.inAll);
  for (const { chunk, bytes } of later) console.log(`       ${chunk}: ${inKilobytes(bytes)}`);
}

/** The bytes of what an application that imports these files loads with them, and of each chunk that it may load later. */
async function measure(files) {
  const { outputFiles, metafile } = await build({
    stdin: { contents: files.map((file) => `export * from "./${file}";`).join("\n"), resolveDir: dist },
    bundle: true,
    splitting: true,
    outdir: "out",
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    metafile: true,
    logLevel: "error",
  });
  const bytes = new Map(
    outputFiles.map(({ path, contents }) => [basename(path), gzipSync(contents, { level: 9 }).length]),
  );
  const { outputs } = metafile;
  const loaded = new Set();
  const load = (path) => {
    if (loaded.has(path)) return;
    loaded.add(path);
    for (const { path: imported, kind } of outputs[path].imports) {
      if (kind === "import-statement") load(imported);
    }
  };
  load(Object.keys(outputs).find((path) => outputs[path].entryPoint === "<stdin>"));
  const chunks = Object.keys(outputs).map((path) => ({ path, chunk: basename(path) }));
  return {
    atOnce: sum(chunks.filter(({ path }) => loaded.has(path)).map(({ chunk }) => bytes.get(chunk))),
    later: chunks
      .filter(({ path }) => !loaded.has(path))
      .map(({ chunk }) => ({ chunk, bytes: bytes.get(chunk) })),
  };
}

function report(name, what, bytes, limit) {
  const isOver = bytes > limit * kilobyte;
  console.log(
    `     ${name}, ${what}: ${inKilobytes(bytes)} of ${limit} KB, ${isOver ? "too large" : "fine"}`,
  );
  if (isOver) process.exitCode = 1;
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

function inKilobytes(bytes) {
  return (bytes / kilobyte).toFixed(1);
}

// The SDK as a browser gets it: bundled from dist by Vite's bundler, split into chunks, minified, compressed. What a page
// loads at once and all that it may ever load have a limit each (docs/adr/0016-parts-of-the-sdk-on-demand.md).
import { existsSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { root } from "./places.mjs";

const kilobyte = 1024;
const dist = "packages/sdk/dist";
const client = ["index.js"];
const entries = [
  { name: "@sotto/sdk/sealed", files: ["sealed.js"], atOnce: 35, inAll: 35 },
  { name: "@sotto/sdk", files: client, atOnce: 110, inAll: 130 },
  { name: "@sotto/sdk with @sotto/sdk/browser", files: [...client, "browser.js"], atOnce: 110, inAll: 130 },
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
  const input = join(root, dist, "entry.js");
  const bundle = await rolldown({
    input,
    platform: "browser",
    transform: { target: "es2022" },
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === input ? id : null),
        load: (id) => (id === input ? files.map((file) => `export * from "./${file}";`).join("\n") : null),
      },
    ],
  });
  const { output } = await bundle.generate({ format: "esm", minify: true, comments: { annotation: false } });
  await bundle.close();
  const chunks = new Map(output.map((chunk) => [chunk.fileName, chunk]));
  const loaded = new Set();
  const load = (name) => {
    if (loaded.has(name)) return;
    loaded.add(name);
    chunks.get(name).imports.forEach(load);
  };
  load(output.find(({ isEntry }) => isEntry).fileName);
  const sizes = output.map(({ fileName, code }) => ({
    chunk: fileName,
    bytes: gzipSync(code, { level: 9 }).length,
  }));
  return {
    atOnce: sum(sizes.filter(({ chunk }) => loaded.has(chunk)).map(({ bytes }) => bytes)),
    later: sizes.filter(({ chunk }) => !loaded.has(chunk)),
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

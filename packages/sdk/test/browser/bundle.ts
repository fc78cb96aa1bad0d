import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Plugin, build } from "esbuild";
import { slimAge } from "../../slim/age.ts";
import { buildSlim } from "../../slim/build.ts";
import { slimXWing } from "../../slim/x-wing.ts";

const here = import.meta.dirname;
/** What stands for a module of Node, or of Vite, that Vitest and the tests name. */
const substitutes: Record<string, string> = {
  "node:crypto": join(here, "node-crypto.ts"),
  "node:fs": join(here, "node-fs.ts"),
};

const forBrowser: Plugin = {
  name: "for the browser",
  setup(bundler) {
    bundler.onResolve({ filter: /^node:/ }, ({ path, importer }) => {
      const substitute = substitutes[path];
      if (substitute) return { path: substitute };
      // Vitest names Node's modules for what it does in Node only.
      if (importer.includes("node_modules")) return { path, namespace: "empty" };
      return { errors: [{ text: `${path} is not in the browser: name the test *.node.test.ts` }] };
    });
    for (const [name, slim] of Object.entries({ age: slimAge, "x-wing": slimXWing })) {
      bundler.onResolve({ filter: new RegExp(`^#${name}$`) }, () => ({ path: name, namespace: "slim" }));
      bundler.onLoad({ filter: new RegExp(`^${name}$`), namespace: "slim" }, async () => ({
        contents: await buildSlim(slim),
        resolveDir: here,
      }));
    }
    bundler.onResolve({ filter: /^vite\/module-runner$/ }, ({ path }) => ({ path, namespace: "empty" }));
    bundler.onLoad({ filter: /.*/, namespace: "empty" }, () => ({
      contents: "export class EvaluatedModules {}",
    }));
  },
};

/** Bundles an entry for the browser into a new folder, as `main.js` and what it imports. Gives the folder. */
export async function bundle(entry: string): Promise<string> {
  const outdir = await mkdtemp(join(tmpdir(), "sotto-browser-"));
  await build({
    stdin: { contents: entry, resolveDir: here, loader: "ts", sourcefile: "main.ts" },
    entryNames: "main",
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    target: "es2024",
    conditions: ["@sotto/source", "module", "browser"],
    sourcemap: "inline",
    define: { "process.env.NODE_ENV": '"test"' },
    inject: [join(here, "buffer.ts")],
    plugins: [forBrowser],
    logLevel: "silent",
  });
  return outdir;
}

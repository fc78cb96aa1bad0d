/**
 * `#age` for browsers: age-encryption without the recipients that the SDK has no use for, which are three quarters of its
 * size (docs/adr/0022-slim-age-in-browsers.md). `node slim-age/build.ts` puts it into dist.
 */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = import.meta.dirname;
const age = dirname(dirname(fileURLToPath(import.meta.resolve("age-encryption"))));
/** What stands for a module that age imports. */
const substitutes: ReadonlyMap<string, string> = new Map([
  ["@noble/curves/ed25519.js", "x25519.ts"],
  ["@noble/curves/nist.js", "absent.ts"],
  ["@noble/hashes/scrypt.js", "absent.ts"],
  ["@noble/post-quantum/hybrid.js", "absent.ts"],
]);
/** Stay imports, so that whoever bundles the SDK has them once. */
const external = ["@noble/ciphers/*", "@noble/hashes/*", "@scure/base"];

/** Throws when age imports anything else, or no longer what has a substitute: then this file is out of date. */
export async function buildSlimAge(): Promise<string> {
  const unused = new Set(substitutes.keys());
  const { outputFiles, metafile } = await build({
    entryPoints: [join(here, "../src/parts/age.ts")],
    absWorkingDir: join(here, ".."),
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    external,
    write: false,
    metafile: true,
    logLevel: "error",
    plugins: [
      {
        name: "slim age",
        setup(bundler) {
          bundler.onResolve({ filter: /^@noble\// }, ({ path }) => {
            const substitute = substitutes.get(path);
            unused.delete(path);
            return substitute === undefined ? { path, external: true } : { path: join(here, substitute) };
          });
        },
      },
    ],
  });
  const foreign = Object.keys(metafile.inputs).filter(
    (path) => path.includes("node_modules") && !path.includes("/age-encryption/dist/"),
  );
  if (unused.size > 0 || foreign.length > 0) {
    throw new Error(`age-encryption has changed: unused ${[...unused].join()}, new ${foreign.join()}`);
  }
  return outputFiles.map(({ text }) => text).join("");
}

if (import.meta.main) {
  const parts = join(here, "../dist/parts");
  await mkdir(parts, { recursive: true });
  await writeFile(join(parts, "age.browser.js"), await buildSlimAge());
  await copyFile(join(age, "LICENSE"), join(parts, "age.browser.LICENSE"));
}

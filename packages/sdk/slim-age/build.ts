/**
 * `#age` for browsers: age-encryption without the recipients that the SDK has no use for, which are three quarters of its
 * size (docs/adr/0022-slim-age-in-browsers.md).
 */
import { join } from "node:path";
import { type Plugin, build } from "esbuild";

const here = import.meta.dirname;
/** What stands for a module that age imports. */
const substitutes: ReadonlyMap<string, string> = new Map([
  ["@noble/curves/ed25519.js", "x25519.ts"],
  ["@noble/curves/nist.js", "absent.ts"],
  ["@noble/hashes/scrypt.js", "absent.ts"],
  ["@noble/post-quantum/hybrid.js", "absent.ts"],
]);
/** Stay imports, so that whoever bundles the SDK has them once. The SDK depends on them itself. */
const dependencies = /^(@noble\/ciphers|@noble\/hashes|@scure\/base)(\/|$)/;

/** Throws when age imports anything else, or no longer what has a substitute: then this file is out of date. */
export async function buildSlimAge(): Promise<string> {
  const unused = new Set(substitutes.keys());
  const plugin: Plugin = {
    name: "slim age",
    setup(bundler) {
      bundler.onResolve({ filter: /^[^.]/ }, ({ path, kind }) => {
        if (kind === "entry-point" || path === "age-encryption") return undefined;
        const substitute = substitutes.get(path);
        if (substitute !== undefined) {
          unused.delete(path);
          return { path: join(here, substitute) };
        }
        if (dependencies.test(path)) return { path, external: true };
        return {
          errors: [{ text: `age-encryption imports ${path}, of which slim-age/build.ts does not know` }],
        };
      });
    },
  };
  const { outputFiles } = await build({
    entryPoints: [join(here, "../src/parts/age.ts")],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    logLevel: "error",
    plugins: [plugin],
  });
  if (unused.size > 0) throw new Error(`age-encryption no longer imports ${[...unused].join(", ")}`);
  return outputFiles.map(({ text }) => text).join("");
}

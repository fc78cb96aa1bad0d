/**
 * Makes what browsers get in place of a package of which the SDK needs a part: the package's own files as they are, with
 * some of their imports replaced (docs/adr/0022-slim-age-in-browsers.md, docs/adr/0023-slim-x-wing-in-browsers.md).
 */
import { join } from "node:path";
import { type Plugin, build } from "esbuild";

export interface Slim {
  /** The package whose files go in. */
  from: string;
  /** The SDK's module that imports it. */
  module: string;
  /** What stands for a module that the package imports: a file of this folder. */
  substitutes: ReadonlyMap<string, string>;
  /** Packages that stay imports, so that whoever bundles the SDK has them once. The SDK depends on them itself. */
  dependencies: readonly string[];
}

const here = import.meta.dirname;

/** Throws when the package imports anything else, or no longer what has a substitute: then its `Slim` is out of date. */
export async function buildSlim({ from, module, substitutes, dependencies }: Slim): Promise<string> {
  const unused = new Set(substitutes.keys());
  const plugin: Plugin = {
    name: "slim",
    setup(bundler) {
      bundler.onResolve({ filter: /^[^.]/ }, ({ path, kind, resolveDir }) => {
        if (kind === "entry-point" || path === from) return undefined;
        const substitute = resolveDir === here ? undefined : substitutes.get(path);
        if (substitute !== undefined) {
          unused.delete(path);
          return { path: join(here, substitute) };
        }
        if (dependencies.some((name) => path === name || path.startsWith(`${name}/`))) {
          return { path, external: true };
        }
        return { errors: [{ text: `${from} imports ${path}, of which packages/sdk/slim does not know` }] };
      });
    },
  };
  const { outputFiles } = await build({
    entryPoints: [join(here, `../src/${module}.ts`)],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    logLevel: "silent",
    plugins: [plugin],
  });
  if (unused.size > 0) throw new Error(`${from} no longer imports ${[...unused].join(", ")}`);
  return outputFiles.map(({ text }) => text).join("");
}

// Loaded into the server by start.mjs: the project's own modules get the packages that bundle-packages.mjs joined.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundledPackages } from "./places.mjs";

const files = readIndex();

registerHooks({
  resolve(specifier, context, nextResolve) {
    const file = files.get(specifier);
    if (!file || context.parentURL?.includes("/node_modules/")) return nextResolve(specifier, context);
    return { url: file, format: "module", shortCircuit: true };
  },
});

function readIndex() {
  try {
    const index = JSON.parse(readFileSync(join(bundledPackages, "index.json"), "utf8"));
    return new Map(
      Object.entries(index).map(([specifier, file]) => [
        specifier,
        pathToFileURL(join(bundledPackages, file)).href,
      ]),
    );
  } catch {
    return new Map();
  }
}

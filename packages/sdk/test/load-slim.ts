import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { type Slim, buildSlim } from "../slim/build.ts";

interface Loaded<Module> {
  module: Module;
  /** The files of which something is in it. */
  files: string[];
}

/** A slim package as a browser gets it, with what it imports. */
export async function loadSlim<Module>(slim: Slim): Promise<Loaded<Module>> {
  const folder = await mkdtemp(join(tmpdir(), "sotto-slim-"));
  try {
    const outfile = join(folder, "slim.mjs");
    const stdin = { contents: await buildSlim(slim), resolveDir: import.meta.dirname };
    const { metafile } = await build({
      stdin,
      bundle: true,
      format: "esm",
      platform: "browser",
      outfile,
      metafile: true,
      logLevel: "error",
    });
    const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
    const files = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file);
    return { module: await import(outfile), files };
  } finally {
    await rm(folder, { recursive: true });
  }
}

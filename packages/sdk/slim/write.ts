/** Puts the slim packages into dist, each with its licence beside it: `node slim/write.ts`, after `tsc`. */
import { copyFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { slimAge } from "./age.ts";
import { buildSlim } from "./build.ts";
import { slimXWing } from "./x-wing.ts";

for (const slim of [slimAge, slimXWing]) {
  const target = join(import.meta.dirname, `../dist/${slim.module}.browser`);
  const original = dirname(dirname(fileURLToPath(import.meta.resolve(slim.from))));
  await writeFile(`${target}.js`, await buildSlim(slim));
  await copyFile(join(original, "LICENSE"), `${target}.LICENSE`);
}

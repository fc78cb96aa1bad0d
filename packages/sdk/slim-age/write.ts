/** Puts the slim age into dist, with age's licence beside it: `node slim-age/write.ts`, after `tsc`. */
import { copyFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSlimAge } from "./build.ts";

const parts = join(import.meta.dirname, "../dist/parts");
const age = dirname(dirname(fileURLToPath(import.meta.resolve("age-encryption"))));

await writeFile(join(parts, "age.browser.js"), await buildSlimAge());
await copyFile(join(age, "LICENSE"), join(parts, "age.browser.LICENSE"));

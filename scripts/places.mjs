import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Made at each install from what was installed, so it lives and dies with it. */
export const bundledPackages = join(root, "node_modules", ".sotto-packages");

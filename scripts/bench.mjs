// npm run bench: on the bundle that `npm start` runs.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { join } from "node:path";
import { bundleServer } from "./bundle-server.mjs";
import { failWith } from "./fail.mjs";
import { root } from "./places.mjs";
import { prepare, toolEnv } from "./prepare.mjs";
import { serverFlags } from "./server-flags.mjs";

const node = await prepare().catch((error) => failWith(error.message));
const child = spawn(
  node,
  ["--conditions=@sotto/source", join(root, "apps", "bench", "src", "main.ts"), ...process.argv.slice(2)],
  {
    env: {
      ...toolEnv(node),
      SOTTO_SERVER_FILE: await bundleServer(),
      SOTTO_SERVER_FLAGS: serverFlags.join(" "),
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, ".cache", "compile"),
    },
    stdio: "inherit",
  },
);
// The terminal sends its signals to the bench as well; here they must only not end the wait for it.
for (const signal of ["SIGINT", "SIGHUP"]) process.on(signal, () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.once("error", (error) => failWith(`The bench could not be started: ${error.message}`));
const [code, signal] = await once(child, "exit");
process.exit(code ?? 128 + constants.signals[signal]);

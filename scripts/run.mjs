// Usage: node scripts/run.mjs <tool of node_modules/.bin> …arguments
import { constants } from "node:os";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "./places.mjs";
import { pnpmCommand, prepare, toolEnv } from "./prepare.mjs";
import { failWith } from "./fail.mjs";

const [tool, ...args] = process.argv.slice(2);
if (!tool) failWith("Usage: node scripts/run.mjs <tool> …arguments");
const node = await prepare().catch((error) => failWith(error.message));
const windows = process.platform === "win32";
const file = join(root, "node_modules", ".bin", tool + (windows ? ".cmd" : ""));
// turbo runs the scripts of the packages by pnpm, which is on PATH only below pnpm itself.
const [command, ...first] = tool === "turbo" ? [...pnpmCommand(), "exec", "turbo"] : [file];
const child = spawn(command, [...first, ...args], {
  env: toolEnv(node),
  stdio: "inherit",
  shell: windows,
});
// The terminal sends its signals to the tool as well; here they must only not end the wait for it.
for (const signal of ["SIGINT", "SIGHUP"]) process.on(signal, () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.once("error", (error) => failWith(`${tool} could not be started: ${error.message}`));
child.once("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));

// Usage: node scripts/command.mjs <command of apps/server/src/commands> …arguments
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { failWith } from "./fail.mjs";
import { root } from "./places.mjs";
import { prepare } from "./prepare.mjs";

const node = await prepare().catch((error) => failWith(error.message));
const envFile = join(root, ".env");
const child = spawn(
  node,
  [
    ...(existsSync(envFile) ? [`--env-file=${envFile}`] : []),
    "--conditions=@sotto/source",
    join(root, "apps", "server", "src", "commands", "main.ts"),
    ...process.argv.slice(2),
  ],
  { stdio: "inherit" },
);
child.once("error", (error) => failWith(`The command could not be started: ${error.message}`));
child.once("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));

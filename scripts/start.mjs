import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundleServer } from "./bundle-server.mjs";
import { failWith } from "./fail.mjs";
import { root } from "./places.mjs";
import { prepare } from "./prepare.mjs";
import { serverFlags } from "./server-flags.mjs";

const repeatMs = 1_000;
const parentCheckMs = 500;

const node = await prepare().catch((error) => failWith(error.message));
const envFile = join(root, ".env");
const server = spawn(
  node,
  [
    ...(existsSync(envFile) ? [`--env-file=${envFile}`] : []),
    ...serverFlags,
    `--import=${pathToFileURL(join(root, "scripts", "stop-with-parent.mjs")).href}`,
    await bundleServer(),
    ...process.argv.slice(2),
  ],
  {
    cwd: root,
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, ".cache", "compile"),
    },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    // Ctrl-C reaches the whole foreground group, and npm passes it on once more. In a group of its own the
    // server sees only what is forwarded here, once.
    detached: process.platform !== "win32",
  },
);
server.once("error", (error) => failWith(`The server could not be started: ${error.message}`));
server.once("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));

let forwardedAt = Number.NEGATIVE_INFINITY;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => forward(signal));

// A killed npm cannot pass anything on.
const parent = process.ppid;
if (process.env.npm_lifecycle_event) {
  setInterval(() => process.ppid === parent || forward("SIGTERM"), parentCheckMs).unref();
}

function forward(signal) {
  if (performance.now() - forwardedAt < repeatMs) return;
  forwardedAt = performance.now();
  server.kill(signal === "SIGHUP" ? "SIGTERM" : signal);
}

// npm run demo: against the server that runs at SOTTO_URL (http://127.0.0.1:8091), or one that it starts.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { failWith } from "./fail.mjs";
import { root } from "./places.mjs";
import { prepare } from "./prepare.mjs";

const startLimitMs = 120_000;
const limitMs = 120_000;
const url = process.env.SOTTO_URL ?? "http://127.0.0.1:8091";

const node = await prepare().catch((error) => failWith(error.message));
const server = (await answers()) ? undefined : await startServer();
process.stdout.write(`Sotto at ${url}${server ? ", started for this demo" : ""}\n`);
const code = await run();
if (server) {
  server.kill("SIGTERM");
  await once(server, "exit");
}
process.exit(code);

async function answers() {
  return fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.ok,
    () => false,
  );
}

async function startServer() {
  if (process.env.SOTTO_URL) failWith(`No server answers at ${url}.`);
  const env = { ...process.env, APP_HOST: "127.0.0.1", LOG_LEVEL: process.env.LOG_LEVEL ?? "warn" };
  const child = spawn(process.execPath, [join(root, "scripts", "start.mjs")], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  let hasEnded = false;
  child.once("exit", () => (hasEnded = true));
  for (const startedAt = Date.now(); !(await answers()); await pause(50)) {
    if (hasEnded) failWith("The server did not start.");
    if (Date.now() - startedAt > startLimitMs) {
      child.kill("SIGTERM");
      failWith(`The server was not ready after ${startLimitMs / 1000} s.`);
    }
  }
  return child;
}

async function run() {
  const child = spawn(node, ["--conditions=@sotto/source", join(root, "apps", "demo", "src", "main.ts")], {
    env: { ...process.env, SOTTO_URL: url },
    stdio: "inherit",
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), limitMs);
  const [exitCode] = await once(child, "exit");
  clearTimeout(limit);
  return exitCode ?? 1;
}

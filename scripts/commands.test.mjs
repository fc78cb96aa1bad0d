// The commands in a fresh copy of the project, in a folder that only its owner may enter, without a terminal.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "./places.mjs";

// Stands in for the server, so that the commands are tested alone and on ports of their own.
const main = `
import { createServer } from "node:http";
import { startEmbeddedPostgres } from "./db/embedded-postgres.ts";
const signals = [];
const stopped = new Promise((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => { signals.push(signal); resolve(); });
});
const postgres = await startEmbeddedPostgres({ dataDir: ".data/postgres", port: Number(process.env.POSTGRES_PORT) });
const server = createServer((_, response) => response.end()).listen(Number(process.env.APP_PORT), "127.0.0.1");
await stopped;
await new Promise((resolve) => setTimeout(resolve, 300));
server.close();
await postgres[Symbol.asyncDispose]();
console.log("drained after", signals.join(","));
`;

let folder;
const started = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sotto-commands-"));
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
  });
  for (const file of files.toString().split("\0")) {
    if (!file || !existsSync(join(root, file))) continue;
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(root, file), join(folder, file), { force: true });
  }
  writeFileSync(join(folder, "apps", "server", "src", "main.ts"), main);
});

afterAll(() => {
  for (const child of started)
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  try {
    rmSync(dirname(readlinkSync(join(folder, ".data", "postgres"))), { recursive: true, force: true });
  } catch {
    // PostgreSQL's user reaches the folder: its data are in it.
  }
  rmSync(folder, { recursive: true, force: true });
});

test("two commands at once install once", async () => {
  const outputs = await Promise.all(
    [1, 2].map(() => outcomeOf(run("node", ["scripts/run.mjs", "oxfmt", "--version"]))),
  );
  for (const { code, output } of outputs) {
    expect(output).toContain("Version");
    expect(code).toBe(0);
  }
  expect(outputs.filter(({ output }) => output.includes("Installing packages")).length).toBe(1);
});

test("Ctrl-C drains the server once, and nothing stays behind", async () => {
  const { child, ports } = await start();
  const outcome = outcomeOf(child);
  process.kill(-child.pid, "SIGINT");
  const { code, output } = await outcome;
  expect(output).toContain("drained after SIGINT\n");
  expect(code).toBe(0);
  for (const port of ports) expect(await isFree(port)).toBe(true);
});

test("ending npm ends the server in order", async () => {
  const { child, ports } = await start();
  const outcome = outcomeOf(child);
  child.kill("SIGTERM");
  const { code, output } = await outcome;
  expect(output).toContain("drained after SIGTERM\n");
  expect(code).toBe(0);
  for (const port of ports) expect(await isFree(port)).toBe(true);
});

test("killing npm with all of its group still ends the server and its database", async () => {
  const { child, ports } = await start();
  process.kill(-child.pid, "SIGKILL");
  await expect.poll(() => Promise.all(ports.map(isFree)), { timeout: 15_000 }).toEqual([true, true]);
});

test("a server that cannot start gives its exit code to npm", async () => {
  const blocker = createServer().listen(0, "127.0.0.1");
  await once(blocker, "listening");
  const { code, output } = await outcomeOf(
    run("npm", ["start"], { POSTGRES_PORT: String(blocker.address().port) }),
  );
  blocker.close();
  expect(output).toContain("is taken by another program");
  expect(code).toBe(1);
});

async function start() {
  const ports = [await findFreePort(), await findFreePort()];
  const child = run("npm", ["start"], { APP_PORT: String(ports[0]), POSTGRES_PORT: String(ports[1]) });
  const isReady = () => fetch(`http://127.0.0.1:${ports[0]}/health`).then((response) => response.ok);
  await expect.poll(() => isReady().catch(() => false), { timeout: 60_000 }).toBe(true);
  return { child, ports };
}

function run(command, args, extra = {}) {
  const { CI: _ci, ...env } = process.env;
  // What the surrounding run sets, its Node 26 above all, would hide what these commands do by themselves.
  for (const name of Object.keys(env)) if (/^(npm_|VITEST|NODE_(?!EXTRA))/.test(name)) delete env[name];
  const folders = (env.PATH ?? "").split(":").filter((entry) => !entry.startsWith(root));
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...env, PATH: folders.join(":"), ...extra },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  started.push(child);
  return child;
}

async function outcomeOf(child) {
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => (output += text));
  const [code] = await once(child, "close");
  return { code, output };
}

async function findFreePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer()
      .once("error", () => resolve(false))
      .listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

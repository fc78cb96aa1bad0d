import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { root } from "./places.mjs";

const oldestNode = 20;
const runtimeNode = 26;
const heartbeatMs = 1_000;
const staleLockMs = 15_000;

const stampFile = join(root, "node_modules", ".sotto-stamp");
const localNode = join(root, "node_modules", ".bin", "node");

/** Installs what the lockfile says, if that is not done yet, and answers the path of the project's Node. */
export async function prepare() {
  if (majorOf(process.versions.node) < oldestNode) {
    throw new Error(
      `Sotto needs Node ${oldestNode} or newer; this is ${process.versions.node} (${process.execPath}).`,
    );
  }
  const wanted = fingerprint();
  const ready = findRuntime(wanted);
  if (ready) return ready;
  await holdLock(async () => {
    if (findRuntime(wanted)) return;
    rmSync(stampFile, { force: true });
    await install();
    const isOwn = runsHere(localNode);
    writeFileSync(stampFile, `${wanted} ${isOwn ? "project" : "machine"}`);
  });
  const node = findRuntime(wanted);
  if (node) return node;
  throw new Error(
    `No Node ${runtimeNode} comes with the packages for ${process.platform}-${process.arch}. ` +
      `Install Node ${runtimeNode} or newer and run this again with it; this is ${process.versions.node}.`,
  );
}

/** The environment for a tool: the project's own binaries, its Node among them, come first. */
export function toolEnv(node, env = process.env) {
  const separator = process.platform === "win32" ? ";" : ":";
  const folders = [join(root, "node_modules", ".bin"), dirname(node), env.PATH ?? ""];
  return { ...env, PATH: folders.join(separator) };
}

/** The pinned pnpm, which nobody needs to have installed. */
export function pnpmCommand() {
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return ["npx", "-y", packageManager];
}

function findRuntime(wanted) {
  let stamp;
  try {
    stamp = readFileSync(stampFile, "utf8");
  } catch {
    return undefined;
  }
  if (stamp === `${wanted} project` && existsSync(localNode)) return localNode;
  if (stamp === `${wanted} machine` && majorOf(process.versions.node) >= runtimeNode) return process.execPath;
  return undefined;
}

function fingerprint() {
  const hash = createHash("sha256").update(`${process.platform}-${process.arch}`);
  const manifests = ["apps", "packages"].flatMap((folder) =>
    readdirSync(join(root, folder))
      .toSorted()
      .map((name) => join(folder, name, "package.json")),
  );
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json", ...manifests]) {
    const path = join(root, file);
    if (existsSync(path)) hash.update(`\n${file}\n`).update(readFileSync(path));
  }
  return hash.digest("hex");
}

async function install() {
  const [command, ...args] = pnpmCommand();
  const startedAt = Date.now();
  say(`Installing packages with ${args.at(-1)} …`);
  // CI=true keeps pnpm from asking questions; it then also works without a terminal.
  const child = spawn(command, [...args, "install", "--frozen-lockfile", "--reporter=append-only"], {
    cwd: root,
    env: { ...process.env, CI: "true" },
    stdio: ["ignore", "pipe", "pipe"],
    shell: process.platform === "win32",
  });
  let output = "";
  let saidAt = Date.now();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
      const progress = text.match(/Progress: .*/g)?.at(-1);
      if (!progress || Date.now() - saidAt < 2_000) return;
      saidAt = Date.now();
      say(`  ${progress}`);
    });
  }
  const failure = await new Promise((resolve) => {
    child.once("error", (error) =>
      resolve(`npx could not be started (${error.message}); it comes with npm.`),
    );
    child.once("close", (code, signal) =>
      resolve(code === 0 ? undefined : `Installing failed (${signal ?? code}).`),
    );
  });
  if (failure) throw new Error(`${output}\n${failure}`);
  say(`Installed in ${((Date.now() - startedAt) / 1000).toFixed(1)} s.`);
}

// A folder is made by one process only. Its holder touches it, so that the lock of a killed one is seen to be old.
async function holdLock(work) {
  const lock = join(root, ".cache", "install.lock");
  mkdirSync(dirname(lock), { recursive: true });
  for (let waited = false; !tryMakeFolder(lock); waited = true) {
    if (ageMs(lock) > staleLockMs) {
      const grave = `${lock}.${process.pid}`;
      try {
        renameSync(lock, grave);
        rmSync(grave, { recursive: true, force: true });
      } catch {
        // Another process took it away first.
      }
      continue;
    }
    if (!waited) say("Waiting for another install in this folder …");
    await pause(200);
  }
  const heartbeat = setInterval(() => utimesSync(lock, new Date(), new Date()), heartbeatMs);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    rmSync(lock, { recursive: true, force: true });
  }
}

function tryMakeFolder(path) {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function ageMs(path) {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

function runsHere(node) {
  return existsSync(node) && spawnSync(node, ["--version"], { stdio: "ignore" }).status === 0;
}

function majorOf(version) {
  return Number.parseInt(version, 10);
}

function say(line) {
  process.stderr.write(`${line}\n`);
}

import { execFile } from "node:child_process";
import * as fs from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const cache = path.join(import.meta.dirname, "../../../.cache");
const unpacked = path.join(cache, "redis");
const serverPath = "usr/bin/redis-server";
const limits = { timeout: 180_000, env: { ...process.env, LC_ALL: "C" } };

// apt gets lists and a cache of its own, which an ordinary user may write too; nothing is installed.
const lists = path.join(cache, "apt", "lists");
const archives = path.join(cache, "apt", "archives");
const aptOptions = [
  `Dir::State::lists=${lists}`,
  `Dir::Cache=${path.join(cache, "apt")}`,
  `Dir::Cache::archives=${archives}`,
  "APT::Sandbox::User=root",
  "Debug::NoLocking=true",
].flatMap((option) => ["-o", option]);

/** Debian's and Ubuntu's redis-server with the libraries that the machine lacks, unpacked under .cache. */
export async function unpackRedis(): Promise<{ file: string; libraries: string[] }> {
  const file = path.join(unpacked, serverPath);
  if (!(await exists(file))) await downloadAndUnpack();
  const libraries = path.join(unpacked, "usr/lib");
  const entries = await fs.readdir(libraries, { withFileTypes: true });
  return {
    file,
    libraries: entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => path.join(libraries, entry.name)),
  };
}

async function downloadAndUnpack(): Promise<void> {
  const target = `${unpacked}.${process.pid}`;
  const packages = path.join(target, "packages");
  try {
    for (const folder of [lists, archives]) await fs.mkdir(path.join(folder, "partial"), { recursive: true });
    await fs.mkdir(packages, { recursive: true });
    await apt(["update"], cache);
    const plan = await apt(["--simulate", "--no-install-recommends", "install", "redis-server"], cache);
    const names = Array.from(plan.matchAll(/^Inst (\S+)/gm), (match) => match[1] ?? "");
    await apt(["download", ...names], packages);
    for (const name of await fs.readdir(packages))
      await run("dpkg", ["-x", path.join(packages, name), target], limits);
    await fs.rm(packages, { recursive: true });
    await fs.rename(target, unpacked);
  } catch (cause) {
    await fs.rm(target, { recursive: true, force: true });
    if (await exists(path.join(unpacked, serverPath))) return;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Set REDIS_URL or install redis-server; its package could not be unpacked: ${reason}`, {
      cause,
    });
  }
}

async function apt(args: string[], cwd: string): Promise<string> {
  return (await run("apt-get", [...aptOptions, "-q", ...args], { ...limits, cwd })).stdout;
}

async function exists(file: string): Promise<boolean> {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}

import * as fs from "node:fs/promises";
import path from "node:path";
import { findPostmaster, stopPostmaster } from "../src/db/postmaster.ts";
import { isAlive, readCommand } from "../src/db/processes.ts";

const cache = path.join(import.meta.dirname, "../../../.cache");
const prefix = "test-run-";

/** Where the test run of this process keeps the data of its servers. */
export function testRunFolder(pid: number): string {
  return path.join(cache, `${prefix}${pid}`);
}

/** Ends and removes what test runs that were killed, or the one of `pid`, left behind. */
export async function removeLeftovers(pid?: number): Promise<void> {
  for (const name of await fs.readdir(cache).catch(() => [])) {
    if (!name.startsWith(prefix)) continue;
    const ownerPid = Number(name.slice(prefix.length));
    if (ownerPid !== pid && isAlive(ownerPid)) continue;
    const folder = path.join(cache, name);
    await stopRedis(path.join(folder, "redis.pid"));
    await removeCluster(path.join(folder, "data"));
    await fs.rm(folder, { recursive: true, force: true });
  }
}

/** Removes a cluster, also where it stands elsewhere because PostgreSQL's user could not reach the folder. */
export async function removeCluster(dataDir: string): Promise<void> {
  const target = await fs.realpath(dataDir).catch(() => undefined);
  if (target === undefined) return;
  const postmaster = await findPostmaster(target);
  if (postmaster) await stopPostmaster(postmaster);
  const isElsewhere = (await fs.lstat(dataDir)).isSymbolicLink();
  await fs.rm(isElsewhere ? path.dirname(target) : target, { recursive: true, force: true });
  await fs.rm(dataDir, { force: true });
}

async function stopRedis(pidFile: string): Promise<void> {
  const pid = Number(await fs.readFile(pidFile, "utf8").catch(() => ""));
  if (pid && /redis|valkey/.test(await readCommand(pid))) process.kill(pid, "SIGTERM");
}

if (import.meta.main) await removeLeftovers();

import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import { userInfo } from "node:os";
import path from "node:path";
import { makeFolder } from "../src/db/postgres-binaries.ts";
import { findPostmaster, stopPostmaster } from "../src/db/postmaster.ts";
import { isAlive, readCommand } from "../src/db/processes.ts";

const cache = path.join(import.meta.dirname, "../../../.cache");
const memory = "/dev/shm";
const neededBytes = 2 * 1024 ** 3;
const nameInMemory = createHash("sha256")
  .update(`${userInfo().username} ${cache}`)
  .digest("hex")
  .slice(0, 12);
const places = [path.join(memory, `sotto-${nameInMemory}`), cache] as const;
const prefix = "test-run-";

/** Makes the folder for the data of this run's servers: in memory where there is room, else under .cache. */
export async function makeTestRunFolder(): Promise<string> {
  const room = await fs.statfs(memory).catch(() => ({ bavail: 0, bsize: 0 }));
  // Cloning the template takes 26 ms in memory, and 200 to 400 ms on a disk.
  const place = room.bavail * room.bsize > neededBytes ? places[0] : places[1];
  const folder = path.join(place, `${prefix}${process.pid}`);
  await makeFolder(folder, 0o711);
  return folder;
}

/** Ends and removes what test runs that were killed, or the one of `pid`, left behind. */
export async function removeLeftovers(pid?: number): Promise<void> {
  for (const place of places) {
    for (const name of await fs.readdir(place).catch(() => [])) {
      if (!name.startsWith(prefix)) continue;
      const ownerPid = Number(name.slice(prefix.length));
      if (ownerPid !== pid && isAlive(ownerPid)) continue;
      const folder = path.join(place, name);
      await stopRedis(path.join(folder, "redis.pid"));
      await removeCluster(path.join(folder, "data"));
      await fs.rm(folder, { recursive: true, force: true });
    }
  }
  // Only an empty one goes.
  await fs.rmdir(places[0]).catch(() => {});
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

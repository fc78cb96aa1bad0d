import { spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { postgresEnv } from "./postgres-cluster.ts";
import type { PostgresCluster } from "./postgres-cluster.ts";
import { isAlive, readCommand } from "./processes.ts";

/** PostgreSQL's first process: started by us, or found running. */
export type Postmaster = { pid: number; port: number; exited: Promise<void> };

export type PostmasterOptions = {
  port: number;
  settings: Record<string, string>;
  onLog: (line: string) => void;
};

/** PostgreSQL ended instead of getting ready; `log` is what it said. */
export class PostmasterFailed extends EmbeddedPostgresError {
  readonly log: string;
  constructor(log: string) {
    super(`The embedded PostgreSQL did not start:\n${log}`);
    this.log = log;
  }
}

const readyLine = "database system is ready to accept connections";
const stopSteps = [
  { signal: "SIGINT", waitMs: 10_000 },
  { signal: "SIGQUIT", waitMs: 5_000 },
  { signal: "SIGKILL", waitMs: 5_000 },
] as const;

export async function launchPostmaster(
  cluster: PostgresCluster,
  options: PostmasterOptions,
): Promise<Postmaster> {
  const settings = {
    ...options.settings,
    listen_addresses: "127.0.0.1",
    port: String(options.port),
    unix_socket_directories: "",
    log_timezone: "UTC",
    timezone: "UTC",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = spawn(cluster.binaries.postgres, ["-D", cluster.dataDir, ...args], {
    env: postgresEnv,
    cwd: "/",
    stdio: ["ignore", "ignore", "pipe"],
    // In its own group: Ctrl-C must not stop it before the server has drained.
    detached: true,
    ...(cluster.user && { uid: cluster.user.uid, gid: cluster.user.gid }),
  });
  const { promise: exited, resolve: markExited } = Promise.withResolvers<void>();
  const lastLines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => {
      markExited();
      reject(new PostmasterFailed(lastLines.join("\n")));
    });
    createInterface({ input: child.stderr }).on("line", (line) => {
      lastLines.push(line);
      if (lastLines.length > 20) lastLines.shift();
      if (line.includes(readyLine)) resolve();
      options.onLog(line);
    });
  });
  if (child.pid === undefined) throw new PostmasterFailed("It has no process id.");
  return { pid: child.pid, port: options.port, exited };
}

/** The postmaster that runs on this data directory. What a dead one left behind is cleared away. */
export async function findPostmaster(dataDir: string): Promise<Postmaster | undefined> {
  const file = path.join(dataDir, "postmaster.pid");
  const lines = (await fs.readFile(file, "utf8").catch(() => "")).split("\n");
  const pid = Number(lines[0]);
  if (!pid || !isAlive(pid)) return undefined;
  if (!(await readCommand(pid)).includes(dataDir)) {
    // Its number went to another process, which PostgreSQL would take for itself.
    await fs.rm(file, { force: true });
    return undefined;
  }
  return { pid, port: Number(lines[3]), exited: waitForEnd(pid) };
}

/** Shuts down in order, and by force if that takes too long. */
export async function stopPostmaster({ pid, exited }: Postmaster): Promise<void> {
  for (const { signal, waitMs } of stopSteps) {
    if (!isAlive(pid)) return;
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    const limit = new AbortController();
    const hasEnded = await Promise.race([
      exited.then(() => true),
      pause(waitMs, false, { signal: limit.signal }).catch(() => false),
    ]);
    limit.abort();
    if (hasEnded) return;
  }
}

async function waitForEnd(pid: number): Promise<void> {
  while (isAlive(pid)) await pause(50, undefined, { ref: false });
}

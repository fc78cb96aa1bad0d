import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Client } from "pg";
import { startEmbeddedPostgres } from "../../server/src/db/embedded-postgres.ts";
import { findPostmaster } from "../../server/src/db/postmaster.ts";
import { migrateDatabase } from "../../server/src/db/migrate.ts";

/** Linux counts CPU time in hundredths of a second, whatever the kernel's own clock. */
const msPerTick = 10;
const template = "sotto_bench_template";

export interface Postgres extends AsyncDisposable {
  version: string;
  /** A database with the migrated schema; `from` copies one that nobody is connected to. */
  createDatabase(name: string, from?: string): Promise<string>;
  dropDatabase(name: string): Promise<void>;
  urlOf(name: string): string;
  /** CPU time of all of its processes so far; undefined where it cannot be read. */
  cpuMs(): number | undefined;
}

/** A fresh embedded PostgreSQL with its own defaults: fsync and synchronous_commit are on. */
export async function startPostgres(folder: string, port: number): Promise<Postgres> {
  const dataDir = path.join(folder, "postgres");
  const embedded = await startEmbeddedPostgres({ dataDir, port });
  const postmaster = await findPostmaster(dataDir);
  const urlOf = (name: string): string => {
    const url = new URL(embedded.url);
    url.pathname = name;
    return url.href;
  };
  const admin = new Client({ connectionString: urlOf("postgres") });
  await admin.connect();
  await embedded.createDatabase(template);
  await migrateDatabase(urlOf(template));
  const { rows } = await admin.query<{ version: string; fsync: string; commits: string }>(
    `select current_setting('server_version') as version, current_setting('fsync') as fsync,
      current_setting('synchronous_commit') as commits`,
  );
  const [facts] = rows;
  if (facts?.fsync !== "on" || facts.commits !== "on") throw new Error("PostgreSQL is not fully durable");
  return {
    version: facts.version,
    urlOf,
    createDatabase: async (name, from = template) => {
      await admin.query(`create database ${name} template ${from} strategy file_copy`);
      return urlOf(name);
    },
    dropDatabase: async (name) => {
      await admin.query(`drop database if exists ${name} with (force)`);
    },
    cpuMs: () => (postmaster ? readTreeCpuMs(postmaster.pid) : undefined),
    [Symbol.asyncDispose]: async () => {
      await admin.end();
      await embedded[Symbol.asyncDispose]();
    },
  };
}

/** Of a process and its children; the time of those that have ended is in its own count. */
function readTreeCpuMs(parent: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  let ticks = 0;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const fields = readStat(name);
    if (!fields) continue;
    // Of `man 5 proc_pid_stat`, counted from the third field on: ppid, utime, stime, cutime, cstime.
    const [ppid = 0, utime = 0, stime = 0, cutime = 0, cstime = 0] = [1, 11, 12, 13, 14].map((index) =>
      Number(fields[index]),
    );
    if (Number(name) === parent) ticks += utime + stime + cutime + cstime;
    else if (ppid === parent) ticks += utime + stime;
  }
  return ticks * msPerTick;
}

function readStat(pid: string): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name, in brackets, may hold anything.
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

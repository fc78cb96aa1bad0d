import { setTimeout as pause } from "node:timers/promises";
import { Client, DatabaseError, escapeIdentifier } from "pg";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { prepareCluster } from "./postgres-cluster.ts";
import type { PostgresCluster } from "./postgres-cluster.ts";
import { findPostmaster, launchPostmaster, PostmasterFailed, stopPostmaster } from "./postmaster.ts";
import type { Postmaster } from "./postmaster.ts";

export type EmbeddedPostgresOptions = {
  dataDir: string;
  port: number;
  settings?: Record<string, string>;
  onLog?: (line: string) => void;
};

export type EmbeddedPostgres = AsyncDisposable & {
  /** Of the database `chat`. */
  url: string;
  dataDir: string;
  /** The unprivileged user that PostgreSQL runs as when we are root. */
  runsAs: string | null;
  /** It was already running, left behind by a server that was killed. */
  adopted: boolean;
  /** Creates the database unless it exists. */
  createDatabase(name: string): Promise<void>;
};

type Running = { postmaster: Postmaster; owner: Client; wasFound: boolean };

const database = "chat";
const bringUpLimitMs = 60_000;
const takeOverLimitMs = 2_000;
const restartPauseMs = { first: 100, longest: 5_000, forgottenAfter: 60_000 };
// Held on one connection for as long as a server lives; PostgreSQL gives it up itself when that one is killed.
const ownerLock = 7_306_001;

/** Starts the PostgreSQL of the packages on `dataDir`, keeps it running, and stops it when disposed. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const cluster = await prepareCluster(options.dataDir);
  const stopping = new AbortController();
  let running = await bringUp(cluster, options, stopping.signal);
  try {
    await createDatabase(running.owner, database);
  } catch (error) {
    await shutDown(running);
    throw error;
  }
  const supervision = supervise();

  async function supervise(): Promise<void> {
    let pauseMs = restartPauseMs.first;
    let startedAt = performance.now();
    const stopped = new Promise<void>((resolve) =>
      stopping.signal.addEventListener("abort", () => resolve()),
    );
    while (!stopping.signal.aborted) {
      await Promise.race([running.postmaster.exited, connectionEnd(running.owner), stopped]);
      if (stopping.signal.aborted) return;
      if (performance.now() - startedAt > restartPauseMs.forgottenAfter) pauseMs = restartPauseMs.first;
      options.onLog?.(`The embedded PostgreSQL went away; starting it again in ${pauseMs} ms.`);
      try {
        await pause(pauseMs, undefined, { signal: stopping.signal });
        pauseMs = Math.min(pauseMs * 2, restartPauseMs.longest);
        running = await bringUp(cluster, options, stopping.signal);
        startedAt = performance.now();
        options.onLog?.("The embedded PostgreSQL is back.");
      } catch (error) {
        if (!stopping.signal.aborted) options.onLog?.(String(error));
      }
    }
  }

  return {
    url: urlOf(cluster, options.port, database),
    dataDir: options.dataDir,
    runsAs: cluster.user?.name ?? null,
    adopted: running.wasFound,
    createDatabase: (name) => createDatabase(running.owner, name),
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await supervision;
      await shutDown(running);
    },
  };
}

/** Takes over the postmaster that runs on the cluster, or launches one, until one answers and is ours. */
async function bringUp(
  cluster: PostgresCluster,
  options: EmbeddedPostgresOptions,
  signal: AbortSignal,
): Promise<Running> {
  const begunAt = performance.now();
  const { port, settings = {}, onLog = () => {} } = options;
  for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 500)) {
    signal.throwIfAborted();
    const tookMs = performance.now() - begunAt;
    const found = await findPostmaster(cluster.dataDir);
    try {
      const postmaster = found ?? (await launchPostmaster(cluster, { port, settings, onLog }));
      const owner = await takeOwnership(cluster, postmaster, { isPatient: tookMs < takeOverLimitMs }).catch(
        async (error: unknown) => {
          if (!found) await stopPostmaster(postmaster);
          throw error;
        },
      );
      if (owner && postmaster.port === port) return { postmaster, owner, wasFound: found !== undefined };
      if (owner) await shutDown({ postmaster, owner });
    } catch (error) {
      if (!(error instanceof PostmasterFailed)) throw error;
      if (error.log.includes("Address already in use")) throw portTaken(port, error);
      // Else the processes of a killed postmaster are still ending, or another one was first.
      if (!/pre-existing shared memory|lock file .* already exists/.test(error.log)) throw error;
    }
    if (tookMs > bringUpLimitMs)
      throw new EmbeddedPostgresError(`The embedded PostgreSQL was not ready after ${bringUpLimitMs} ms.`);
    await pause(pauseMs, undefined, { signal });
  }
}

/** Answers the connection that makes this process the owner, or undefined if it is worth another try. */
async function takeOwnership(
  cluster: PostgresCluster,
  postmaster: Postmaster,
  { isPatient }: { isPatient: boolean },
): Promise<Client | undefined> {
  const client = new Client({
    connectionString: urlOf(cluster, postmaster.port, "postgres"),
    application_name: `sotto-owner-${process.pid}`,
  });
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ is_ours: boolean; owner: string | null }>(
      `SELECT pg_try_advisory_lock($1) AS is_ours,
         (SELECT application_name FROM pg_stat_activity
          WHERE application_name LIKE 'sotto-owner-%' AND pid <> pg_backend_pid() LIMIT 1) AS owner`,
      [ownerLock],
    );
    if (rows[0]?.is_ours) return client;
    await client.end();
    if (isPatient) return undefined;
    const owner = rows[0]?.owner?.replace("sotto-owner-", "process ") ?? "another process";
    throw new EmbeddedPostgresError(
      `${cluster.dataDir} is in use by another server (${owner}). Stop it, or set DB_URL.`,
    );
  } catch (error) {
    await client.end().catch(() => {});
    if (isStartingOrStopping(error)) return undefined;
    throw error;
  }
}

async function createDatabase(owner: Client, name: string): Promise<void> {
  const { rowCount } = await owner.query("SELECT 1 FROM pg_database WHERE datname = $1", [name]);
  if (rowCount) return;
  await owner.query(`CREATE DATABASE ${escapeIdentifier(name)}`);
}

async function shutDown({ owner, postmaster }: Pick<Running, "owner" | "postmaster">): Promise<void> {
  await owner.end().catch(() => {});
  await stopPostmaster(postmaster);
}

function connectionEnd(client: Client): Promise<void> {
  return new Promise((resolve) => client.once("end", () => resolve()));
}

function isStartingOrStopping(error: unknown): boolean {
  if (error instanceof DatabaseError) return error.code?.startsWith("57P") ?? false;
  const isCut = error instanceof Error && error.message.startsWith("Connection terminated");
  return isCut || ["ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function portTaken(port: number, cause: Error): EmbeddedPostgresError {
  const message = `Port ${port} of 127.0.0.1, where the embedded PostgreSQL listens, is taken by another program. `;
  return new EmbeddedPostgresError(`${message}Free it, or set DB_URL to a PostgreSQL of your own.`, {
    cause,
  });
}

function urlOf({ password }: PostgresCluster, port: number, name: string): string {
  return `postgresql://postgres:${password}@127.0.0.1:${port}/${name}`;
}

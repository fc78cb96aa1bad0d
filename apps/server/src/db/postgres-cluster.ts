import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import {
  exists,
  fallbackRoot,
  findPostgresBinaries,
  findUnprivilegedUser,
  makeFolder,
} from "./postgres-binaries.ts";
import type { PostgresBinaries, UnprivilegedUser } from "./postgres-binaries.ts";
import { isAlive } from "./processes.ts";

export type PostgresCluster = {
  /** The folder itself, never a symbolic link to it. */
  dataDir: string;
  password: string;
  user: UnprivilegedUser | undefined;
  binaries: PostgresBinaries;
};

const run = promisify(execFile);
const unfinishedMark = ".init-";

/** The environment of PostgreSQL's processes: nothing of the machine's language or time zone reaches them. */
export const postgresEnv = { LC_ALL: "C", TZ: "UTC", PATH: process.env["PATH"] ?? "" };

/** Finds the cluster in `folder`; the first time it is made there. */
export async function prepareCluster(folder: string): Promise<PostgresCluster> {
  // PostgreSQL's own commands run in another folder than we do.
  const dataDir = path.resolve(folder);
  const user = await findUnprivilegedUser();
  // PostgreSQL's user must pass through this folder, and nobody may list it.
  await makeFolder(path.dirname(dataDir), user ? 0o711 : 0o700);
  const isNew = !(await exists(path.join(dataDir, "PG_VERSION")));
  const [binaries, password] = await Promise.all([
    findPostgresBinaries(user, { isProven: !isNew }),
    readPassword(dataDir, isNew),
  ]);
  if (isNew) await createCluster(dataDir, { user, binaries, password });
  return { dataDir: await fs.realpath(dataDir), password, user, binaries };
}

type NewCluster = Omit<PostgresCluster, "dataDir">;

async function createCluster(dataDir: string, cluster: NewCluster): Promise<void> {
  await refuseForeignFolder(dataDir);
  try {
    await initialise(dataDir, cluster);
  } catch (error) {
    if (!cluster.user) throw error;
    await createElsewhere(dataDir, cluster, error);
  }
}

// Below a folder that PostgreSQL's user may not enter (/root, a folder made by mktemp) only this works.
async function createElsewhere(dataDir: string, cluster: NewCluster, cause: unknown): Promise<void> {
  const name = createHash("sha256").update(path.resolve(dataDir)).digest("hex").slice(0, 12);
  await makeFolder(fallbackRoot, 0o755);
  for (const other of await fs.readdir(fallbackRoot)) {
    if (other.startsWith(`${name}-`)) await removeUnfinished(path.join(fallbackRoot, other, "data"));
  }
  const folder = await fs.mkdtemp(path.join(fallbackRoot, `${name}-`));
  await fs.chmod(folder, 0o711);
  try {
    await initialise(path.join(folder, "data"), cluster);
    await fs.symlink(path.join(folder, "data"), dataDir);
  } catch (error) {
    await fs.rm(folder, { recursive: true, force: true });
    const errors = [cause, error];
    throw new AggregateError(errors, `The embedded PostgreSQL could not be set up. ${detailOf(error)}`, {
      cause: error,
    });
  }
}

// Made beside its place and renamed when complete: what stands at `dataDir` is never half a cluster.
async function initialise(dataDir: string, { user, binaries, password }: NewCluster): Promise<void> {
  await removeUnfinished(dataDir);
  const unfinished = `${dataDir}${unfinishedMark}${process.pid}`;
  const passwordFile = `${unfinished}.password`;
  try {
    await fs.mkdir(unfinished, { mode: 0o700 });
    await fs.writeFile(passwordFile, password, { mode: 0o600, flag: "wx" });
    if (user) {
      await fs.chown(unfinished, user.uid, user.gid);
      await fs.chown(passwordFile, user.uid, user.gid);
    }
    await run(
      binaries.initdb,
      [
        `--pgdata=${unfinished}`,
        "--username=postgres",
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--data-checksums",
      ],
      { env: postgresEnv, cwd: "/", ...(user && { uid: user.uid, gid: user.gid }) },
    );
    await fs.rename(unfinished, dataDir).catch(async (error: unknown) => {
      // Another process was first; its cluster has the same password.
      if (!(await exists(path.join(dataDir, "PG_VERSION")))) throw error;
    });
  } finally {
    await fs.rm(passwordFile, { force: true });
    await fs.rm(unfinished, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function removeUnfinished(dataDir: string): Promise<void> {
  const prefix = path.basename(dataDir) + unfinishedMark;
  for (const name of await fs.readdir(path.dirname(dataDir))) {
    if (!name.startsWith(prefix) || isAlive(Number.parseInt(name.slice(prefix.length), 10))) continue;
    await fs.rm(path.join(path.dirname(dataDir), name), { recursive: true, force: true, maxRetries: 5 });
  }
}

async function refuseForeignFolder(dataDir: string): Promise<void> {
  const stat = await fs.lstat(dataDir).catch(() => undefined);
  if (stat?.isSymbolicLink()) {
    throw new EmbeddedPostgresError(
      `The data that ${dataDir} points to is gone. Bring it back, or remove the link to begin anew.`,
    );
  }
  if (stat && (await fs.readdir(dataDir)).length > 0) {
    throw new EmbeddedPostgresError(
      `${dataDir} is not empty and holds no PostgreSQL cluster. Move it away or choose another folder.`,
    );
  }
}

// Linked into place when whole, so that two processes that start together agree on one password.
async function readPassword(dataDir: string, mayCreate: boolean): Promise<string> {
  const file = `${dataDir}.password`;
  if (mayCreate && !(await exists(file))) {
    const unfinished = `${file}.${process.pid}`;
    await fs.writeFile(unfinished, randomBytes(24).toString("base64url"), { mode: 0o600 });
    await fs.link(unfinished, file).catch(() => undefined);
    await fs.rm(unfinished);
  }
  return fs.readFile(file, "utf8").catch((cause: unknown) => {
    throw new EmbeddedPostgresError(
      `The password of the PostgreSQL cluster in ${dataDir} cannot be read from ${file}.`,
      {
        cause,
      },
    );
  });
}

function detailOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "stderr" in error && typeof error.stderr === "string" && error.stderr ? error.stderr : error.message;
}

import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";

/** Where things of PostgreSQL's own user live, if that user cannot reach the project's folder. */
export const fallbackRoot = "/var/lib/sotto";

export type UnprivilegedUser = { name: string; uid: number; gid: number };

export type PostgresBinaries = { postgres: string; initdb: string };

const run = promisify(execFile);

/** PostgreSQL refuses to run as root: then it runs as this user. Undefined when we are not root. */
export async function findUnprivilegedUser(): Promise<UnprivilegedUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = new Map<string, UnprivilegedUser>();
  for (const line of (await fs.readFile("/etc/passwd", "utf8")).split("\n")) {
    const [name, , uid, gid] = line.split(":");
    if (name) users.set(name, { name, uid: Number(uid), gid: Number(gid) });
  }
  const user = users.get("postgres") ?? users.get("nobody");
  if (user) return user;
  throw new EmbeddedPostgresError(
    "PostgreSQL cannot run as root, and there is no user postgres or nobody. Set DB_URL instead.",
  );
}

/**
 * Finds the binaries that came with the packages, as files that `user` can run. Those that have made
 * a cluster before (`isProven`) need only be reachable still, which costs a tenth of running them.
 */
export async function findPostgresBinaries(
  user: UnprivilegedUser | undefined,
  { isProven }: { isProven: boolean },
): Promise<PostgresBinaries> {
  const folder = resolvePackage();
  const binaries = binariesIn(path.join(folder, "native"));
  if (!user || (isProven && (await canReach(binaries, user))) || (await canRun(binaries, user)))
    return binaries;
  const copy = binariesIn(await copyForEveryone(folder));
  if (await canRun(copy, user)) return copy;
  throw new EmbeddedPostgresError(
    `The user ${user.name} can run PostgreSQL neither in ${folder} nor in ${fallbackRoot}. Set DB_URL instead.`,
  );
}

function resolvePackage(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve("embedded-postgres");
    return path.dirname(path.dirname(createRequire(wrapper).resolve(name)));
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL (${name}) is not installed. Set DB_URL to a PostgreSQL of your own.`,
      { cause },
    );
  }
}

function binariesIn(folder: string): PostgresBinaries {
  return { postgres: path.join(folder, "bin", "postgres"), initdb: path.join(folder, "bin", "initdb") };
}

async function canReach(binaries: PostgresBinaries, user: UnprivilegedUser): Promise<boolean> {
  return run("/usr/bin/test", ["-x", binaries.postgres], { uid: user.uid, gid: user.gid, cwd: "/" }).then(
    () => true,
    () => false,
  );
}

// Only running it tells: folders above, mount options and the libraries count as well.
async function canRun(binaries: PostgresBinaries, user: UnprivilegedUser): Promise<boolean> {
  try {
    await run(binaries.postgres, ["--version"], { uid: user.uid, gid: user.gid, cwd: "/" });
    await fs.access(path.join(path.dirname(binaries.postgres), "initdb"));
    return true;
  } catch {
    return false;
  }
}

async function copyForEveryone(folder: string): Promise<string> {
  const version = createHash("sha256")
    .update(await fs.readFile(path.join(folder, "package.json")))
    .digest("hex");
  const target = path.join(fallbackRoot, `postgres-${version.slice(0, 12)}`);
  if (await exists(target)) return target;
  await makeFolder(fallbackRoot, 0o755);
  const unfinished = `${target}.${randomBytes(4).toString("hex")}`;
  try {
    await copyFolder(path.join(folder, "native"), unfinished);
    await fs.rename(unfinished, target);
  } catch (error) {
    await fs.rm(unfinished, { recursive: true, force: true });
    if (!(await exists(target))) throw error;
  }
  return target;
}

async function copyFolder(from: string, to: string): Promise<void> {
  await makeFolder(to, 0o755);
  for (const entry of await fs.readdir(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name);
    const target = path.join(to, entry.name);
    if (entry.isDirectory()) await copyFolder(source, target);
    else if (entry.isSymbolicLink()) await fs.symlink(await fs.readlink(source), target);
    else await linkOrCopy(source, target);
  }
}

// A hard link shares its mode with the original, so it serves only where that is readable for all.
async function linkOrCopy(source: string, target: string): Promise<void> {
  const { mode } = await fs.stat(source);
  const wanted = mode & 0o100 ? 0o755 : 0o644;
  if ((mode & wanted & 0o005) === (wanted & 0o005)) {
    const isLinked = await fs.link(source, target).then(
      () => true,
      () => false,
    );
    if (isLinked) return;
  }
  await fs.copyFile(source, target);
  await fs.chmod(target, wanted);
}

/** Makes a folder with exactly this mode, whatever the umask; one that exists stays as it is. */
export async function makeFolder(folder: string, mode: number): Promise<void> {
  const first = await fs.mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.startsWith(first); made = path.dirname(made)) await fs.chmod(made, mode);
}

export async function exists(file: string): Promise<boolean> {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}

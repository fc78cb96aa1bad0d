import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client } from "pg";
import { expect, test } from "vitest";
import { findFreePort } from "../../test/free-port.ts";
import { removeCluster } from "../../test/leftovers.ts";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";

const settings = { fsync: "off", shared_buffers: "16MB" };

type Place = AsyncDisposable & { dataDir: string; port: number };

async function makePlace({ isReachable = true } = {}): Promise<Place> {
  const folder = await fs.mkdtemp(path.join(tmpdir(), "sotto-postgres-"));
  if (isReachable) await fs.chmod(folder, 0o711);
  const dataDir = path.join(folder, "data", "postgres");
  return {
    dataDir,
    port: await findFreePort(),
    async [Symbol.asyncDispose]() {
      await removeCluster(dataDir);
      await fs.rm(folder, { recursive: true, force: true });
    },
  };
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: "array" })).rows.flat();
  } finally {
    await client.end();
  }
}

async function readPostmasterPid(dataDir: string): Promise<number> {
  return Number.parseInt(await fs.readFile(path.join(dataDir, "postmaster.pid"), "utf8"), 10);
}

/** A process that starts the cluster and is then killed, so that PostgreSQL stays behind. */
async function startAndAbandon({ dataDir, port }: Place): Promise<void> {
  const script = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(import.meta.resolve("./embedded-postgres.ts"))});
    await startEmbeddedPostgres(${JSON.stringify({ dataDir, port, settings })});
    console.log("started");
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(owner.stdout, "data");
  owner.kill("SIGKILL");
  await once(owner, "close");
}

test("the first start makes a cluster whose data the next start finds", async () => {
  await using place = await makePlace();
  {
    await using postgres = await startEmbeddedPostgres({ ...place, settings });
    expect(postgres.adopted).toBe(false);
    expect(postgres.runsAs === null).toBe(process.getuid?.() !== 0);
    await query(postgres.url, "CREATE TABLE kept (n int)");
    await postgres.createDatabase('na"me');
    await postgres.createDatabase('na"me');
    const facts = `SELECT current_database(), current_setting('server_encoding'), current_setting('data_checksums'),
      current_setting('unix_socket_directories'), current_setting('listen_addresses'), datlocprovider::text, datcollate
      FROM pg_database WHERE datname = current_database()`;
    expect(await query(postgres.url, facts)).toEqual(["chat", "UTF8", "on", "", "127.0.0.1", "b", "C"]);
  }
  await using postgres = await startEmbeddedPostgres({ ...place, settings });
  expect(await query(postgres.url, "SELECT count(*)::int FROM kept")).toEqual([0]);
});

test("nobody but its owner can read the data and the password", async () => {
  await using place = await makePlace();
  await using _ = await startEmbeddedPostgres({ ...place, settings });
  expect((await fs.stat(place.dataDir)).mode & 0o077).toBe(0);
  expect((await fs.stat(`${place.dataDir}.password`)).mode & 0o077).toBe(0);
  expect((await fs.stat(path.dirname(place.dataDir))).mode & 0o066).toBe(0);
});

test("a postmaster that is killed while we run comes back", async () => {
  await using place = await makePlace();
  const log: string[] = [];
  const { promise: isBack, resolve } = Promise.withResolvers<void>();
  const onLog = (line: string) => {
    log.push(line);
    if (line.endsWith("is back.")) resolve();
  };
  await using postgres = await startEmbeddedPostgres({ ...place, settings, onLog });
  process.kill(await readPostmasterPid(place.dataDir), "SIGKILL");
  await isBack;
  expect(await query(postgres.url, "SELECT 1")).toEqual([1]);
  expect(log.join("\n")).toContain("went away");
});

test("a postmaster that its killed owner left behind is adopted and stopped", async () => {
  await using place = await makePlace();
  await startAndAbandon(place);
  const pid = await readPostmasterPid(place.dataDir);
  {
    await using postgres = await startEmbeddedPostgres({ ...place, settings });
    expect(postgres.adopted).toBe(true);
    expect(await query(postgres.url, "SELECT 1")).toEqual([1]);
  }
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

test("left behind on another port, it is started again on the right one", async () => {
  await using place = await makePlace();
  await startAndAbandon(place);
  await using postgres = await startEmbeddedPostgres({ ...place, port: await findFreePort(), settings });
  expect(postgres.adopted).toBe(false);
  expect(await query(postgres.url, "SELECT 1")).toEqual([1]);
});

test("after postmaster and owner were both killed it starts at once", async () => {
  await using place = await makePlace();
  await startAndAbandon(place);
  process.kill(await readPostmasterPid(place.dataDir), "SIGKILL");
  await using postgres = await startEmbeddedPostgres({ ...place, settings });
  expect(await query(postgres.url, "SELECT 1")).toEqual([1]);
});

test("a postmaster.pid whose number another process has now is cleared away", async () => {
  await using place = await makePlace();
  {
    await using _ = await startEmbeddedPostgres({ ...place, settings });
  }
  await fs.writeFile(
    path.join(place.dataDir, "postmaster.pid"),
    `${process.pid}\n${place.dataDir}\n0\n${place.port}\n`,
  );
  await using postgres = await startEmbeddedPostgres({ ...place, settings });
  expect(await query(postgres.url, "SELECT 1")).toEqual([1]);
});

test("a taken port is named, with the way out", async () => {
  await using place = await makePlace();
  const other = createServer().listen(place.port, "127.0.0.1");
  await once(other, "listening");
  await expect(startEmbeddedPostgres({ ...place, settings })).rejects.toThrow(
    new RegExp(`Port ${place.port} .* is taken by another program.* set DB_URL`),
  );
  other.close();
});

test("a second server on the same data is refused and disturbs nothing", async () => {
  await using place = await makePlace();
  await using postgres = await startEmbeddedPostgres({ ...place, settings });
  await expect(startEmbeddedPostgres({ ...place, settings })).rejects.toThrow(
    `in use by another server (process ${process.pid})`,
  );
  expect(await query(postgres.url, "SELECT 1")).toEqual([1]);
});

test("an initdb that was killed half-way is done again", async () => {
  await using place = await makePlace();
  const unfinished = `${place.dataDir}.init-999999999`;
  await fs.mkdir(path.join(unfinished, "base"), { recursive: true });
  await fs.chmod(path.dirname(place.dataDir), 0o711);
  await fs.writeFile(path.join(unfinished, "PG_VERSION"), "18\n");
  await using postgres = await startEmbeddedPostgres({ ...place, settings });
  expect(await query(postgres.url, "SELECT 1")).toEqual([1]);
  expect(await fs.readdir(path.dirname(place.dataDir))).toEqual(["postgres", "postgres.password"]);
});

test("a folder with other things in it is left alone", async () => {
  await using place = await makePlace();
  await fs.mkdir(place.dataDir, { recursive: true });
  const file = path.join(place.dataDir, "thesis.txt");
  await fs.writeFile(file, "");
  await expect(startEmbeddedPostgres({ ...place, settings })).rejects.toThrow("holds no PostgreSQL cluster");
  await fs.access(file);
});

test("in a folder that only root may enter it still works", async () => {
  await using place = await makePlace({ isReachable: false });
  {
    await using postgres = await startEmbeddedPostgres({ ...place, settings });
    await query(postgres.url, "CREATE TABLE kept (n int)");
  }
  await using postgres = await startEmbeddedPostgres({ ...place, settings });
  expect(await query(postgres.url, "SELECT count(*)::int FROM kept")).toEqual([0]);
  expect((await fs.lstat(place.dataDir)).isSymbolicLink()).toBe(process.getuid?.() === 0);
});

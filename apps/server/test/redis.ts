import { spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { findFreePort } from "./free-port.ts";
import { unpackRedis } from "./redis-package.ts";

export type TestRedis = AsyncDisposable & { url: string };

/** Takes REDIS_URL, a server on PATH, or the distribution's package unpacked under .cache, in this order. */
export async function startRedis({ pidFile }: { pidFile: string }): Promise<TestRedis> {
  const given = process.env["REDIS_URL"];
  if (given) return { url: given, [Symbol.asyncDispose]: async () => {} };
  const file = await findOnPath(["redis-server", "valkey-server"]);
  if (file) return launch(file, { pidFile, env: process.env });
  const unpacked = await unpackRedis();
  const env = { ...process.env, LD_LIBRARY_PATH: unpacked.libraries.join(path.delimiter) };
  return launch(unpacked.file, { pidFile, env });
}

async function findOnPath(names: string[]): Promise<string | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(path.delimiter)) {
    for (const name of names) {
      const file = path.join(folder, name);
      const isThere = await fs.access(file, fs.constants.X_OK).then(
        () => true,
        () => false,
      );
      if (isThere) return file;
    }
  }
  return undefined;
}

type LaunchOptions = { pidFile: string; env: NodeJS.ProcessEnv };

async function launch(file: string, { pidFile, env }: LaunchOptions): Promise<TestRedis> {
  const port = await findFreePort();
  const args = [
    "--bind",
    "127.0.0.1",
    "--port",
    String(port),
    "--save",
    "",
    "--appendonly",
    "no",
    "--pidfile",
    pidFile,
  ];
  const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => reject(new Error(`${file} did not start:\n${lines.join("\n")}`)));
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on("line", (line) => {
        lines.push(line);
        if (/ready to accept connections/i.test(line)) resolve();
      });
    }
  });
  return {
    url: `redis://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

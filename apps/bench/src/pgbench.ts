import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { Bench } from "./bench.ts";
import { toPgbenchScript } from "./floor/statements.ts";
import { ciphertextOf } from "./load/target.ts";

const run = promisify(execFile);

export interface PgbenchLoad {
  clients: number;
  pairs: number;
  durationMs: number;
}

/** The pgbench on PATH: the embedded PostgreSQL brings none. */
export async function hasPgbench(): Promise<boolean> {
  return run("pgbench", ["--version"]).then(
    () => true,
    () => false,
  );
}

/** Transactions a second of the send statement, prepared, in full durability. */
export async function runPgbench(bench: Bench, databaseUrl: string, load: PgbenchLoad): Promise<number> {
  const { clients, pairs, durationMs } = load;
  const script = path.join(bench.folder, "send.sql");
  await writeFile(script, toPgbenchScript({ pairs, clients, ciphertext: ciphertextOf(0) }));
  const seconds = Math.max(1, Math.round(durationMs / 1000));
  const flags = [
    "-n",
    "-M",
    "prepared",
    "-c",
    String(clients),
    "-j",
    "2",
    "-T",
    String(seconds),
    "-f",
    script,
  ];
  const { stdout } = await run("pgbench", [...flags, databaseUrl]);
  const tps = /tps = ([\d.]+)/.exec(stdout)?.[1];
  if (tps === undefined) throw new Error(`pgbench said nothing of its speed:\n${stdout}`);
  return Number(tps);
}

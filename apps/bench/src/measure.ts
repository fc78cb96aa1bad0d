import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Bench, Running } from "./bench.ts";
import type { MeasuredProcess } from "./measured-process.ts";
import { toProfileTable, type Profile } from "./profile-table.ts";
import { summarize, type Summary } from "./statistics.ts";

export interface Cost {
  /** CPU time of the measured process, and of PostgreSQL where it can be read. */
  processMs: number;
  databaseMs: number | undefined;
}

/** Does the work, and tells what CPU time it took. */
export async function measureCost<T>(
  bench: Bench,
  running: Running,
  work: () => Promise<T>,
): Promise<{ result: T; cost: Cost }> {
  const before = { process: await running.process.usage(), database: bench.postgres.cpuMs() };
  const result = await work();
  const after = { process: await running.process.usage(), database: bench.postgres.cpuMs() };
  const processMs = after.process.cpuMs - before.process.cpuMs;
  const isKnown = before.database !== undefined && after.database !== undefined;
  const databaseMs = isKnown ? (after.database ?? 0) - (before.database ?? 0) : undefined;
  return { result, cost: { processMs, databaseMs } };
}

/** With `--profile`, writes a CPU profile of a process for this piece of work, and a table of it. */
export async function profiled<T>(
  bench: Bench,
  process: MeasuredProcess,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const folder = bench.options.profileFolder;
  if (folder === undefined) return work();
  await mkdir(folder, { recursive: true });
  await process.startProfile();
  const result = await work();
  const file = path.resolve(folder, `${name}.cpuprofile`);
  await process.stopProfile(file);
  await writeFile(
    path.resolve(folder, `${name}.md`),
    toProfileTable(name, JSON.parse(await readFile(file, "utf8")) as Profile),
  );
  bench.say(`profile: ${file}`);
  return result;
}

/** Measures one after the other, round by round, so that what changes on the machine meets all of them. */
export async function alternate<Name extends string, Sample>(
  bench: Bench,
  measurements: Record<Name, () => Promise<Sample>>,
): Promise<Record<Name, Sample[]>> {
  const names = Object.keys(measurements) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Sample[]>;
  for (let round = 0; round < bench.options.rounds; round++) {
    for (const name of names) samples[name].push(await measurements[name]());
  }
  return samples;
}

export function summaryOf<Sample>(samples: readonly Sample[], figure: (sample: Sample) => number): Summary {
  return summarize(samples.map(figure));
}

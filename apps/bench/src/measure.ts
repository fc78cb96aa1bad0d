import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { Bench, Running } from "./bench.ts";
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

/** With `--profile`, writes a CPU profile of the server for this piece of work. */
export async function profiled<T>(
  bench: Bench,
  running: Running,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const folder = bench.options.profileFolder;
  if (folder === undefined || running.target.kind !== "sotto") return work();
  await mkdir(folder, { recursive: true });
  await running.process.startProfile();
  const result = await work();
  const file = path.resolve(folder, `${name}.cpuprofile`);
  await running.process.stopProfile(file);
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

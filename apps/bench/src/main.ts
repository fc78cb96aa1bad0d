import { writeFile } from "node:fs/promises";
import { Bench } from "./bench.ts";
import { describeMachine } from "./machine.ts";
import { help, readOptions, UsageError, type Options } from "./options.ts";
import { toTable, type Report } from "./report.ts";
import { Violation } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (!options) {
    process.stdout.write(help);
    return;
  }
  const report = await measure(options);
  process.stdout.write(`\n${toTable(report)}`);
  if (options.jsonFile !== undefined)
    await writeFile(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
  if (report.scenarios.some(({ violation }) => violation !== undefined)) process.exitCode = 1;
}

async function measure(options: Options): Promise<Report> {
  const { rounds, durationMs, isQuick, only } = options;
  const opening = Bench.open(options);
  stopInOrder(opening);
  await using bench = await opening;
  const report: Report = {
    machine: describeMachine(),
    postgres: bench.postgres.version,
    settings: { rounds, seconds: durationMs / 1000, isQuick },
    scenarios: [],
  };
  for (const scenario of scenarios) {
    const { name } = scenario;
    if (only.length > 0 && !only.includes(name)) continue;
    process.stderr.write(`${name}\n`);
    try {
      report.scenarios.push({ name, rows: await scenario.run(bench) });
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      report.scenarios.push({ name, rows: [], violation: error.message });
    }
  }
  return report;
}

/** PostgreSQL runs in a process group of its own, and would stay behind. */
function stopInOrder(opening: Promise<Bench>): void {
  const stop = async (): Promise<void> => {
    try {
      await (await opening)[Symbol.asyncDispose]();
    } finally {
      process.exit(130);
    }
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => void stop());
}

main().catch((error: unknown) => {
  const text =
    error instanceof UsageError ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
});

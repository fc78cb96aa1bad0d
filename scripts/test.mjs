// npm test: the whole gate. npm test -- <filter> runs only the tests that match.
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { failWith } from "./fail.mjs";
import { root } from "./places.mjs";
import { prepare, toolEnv } from "./prepare.mjs";
import { endSteps, runStep } from "./step.mjs";

const quickMs = 3 * 60_000;
/** Eight minutes on two cores; a machine may be busy, and half as fast. */
const testsMs = 25 * 60_000;

const node = await prepare().catch((error) => failWith(error.message));
const env = { ...toolEnv(node), TURBO_TELEMETRY_DISABLED: "1" };
const report = join(root, ".cache", `vitest-${process.pid}.json`);
const filters = process.argv.slice(2);
const counts = { passed: 0, failed: 0, skipped: 0 };

let isInterrupted = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    isInterrupted = true;
    void endSteps();
  });
}

if (filters.length === 0) {
  await check("format", bin("oxfmt"), ["--check"]);
  await check("lint", bin("oxlint"), ["--type-aware", "--deny-warnings"]);
  for (const folder of typedFolders()) await check(`types ${folder}`, bin("tsc"), ["-p", folder, "--noEmit"]);
  await check("unused code", bin("knip"), []);
}
await runTests();
if (filters.length === 0) {
  await check("build", node, [join("scripts", "run.mjs"), "turbo", "run", "build", "--ui=stream"]);
  await check("bundle size", node, [join("scripts", "bundle-budget.mjs")], { showsOutput: true });
}
await finish();

function bin(tool) {
  return join(root, "node_modules", ".bin", tool);
}

function typedFolders() {
  const workspaces = ["packages", "apps"].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => `${parent}/${name}`),
  );
  return [".", ...workspaces].filter((folder) => existsSync(join(root, folder, "tsconfig.json")));
}

async function check(name, command, args, { showsOutput = false } = {}) {
  if (isInterrupted) return;
  const { hasPassed, output, seconds } = await runStep(command, args, { env, limitMs: quickMs });
  console.log(`${hasPassed ? "ok  " : "FAIL"} ${name} (${seconds.toFixed(1)} s)`);
  if (!hasPassed || showsOutput) console.log(output.trimEnd());
  if (hasPassed) counts.passed += 1;
  else counts.failed += 1;
}

async function runTests() {
  if (isInterrupted) return;
  console.log("     tests");
  const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...filters];
  const { hasPassed, output, seconds } = await runStep(bin("vitest"), args, {
    env,
    limitMs: testsMs,
    isLive: true,
  });
  // A killed run cannot stop its servers itself.
  await runStep(node, [join("apps", "server", "test", "leftovers.ts")], { env, limitMs: quickMs });
  const failedBefore = counts.failed;
  const executed = countTests();
  if (!hasPassed && counts.failed === failedBefore) counts.failed += 1;
  const isGood = hasPassed && executed > 0;
  if (hasPassed && executed === 0) counts.failed += 1;
  console.log(`${isGood ? "ok  " : "FAIL"} tests (${seconds.toFixed(1)} s)${output}`);
}

function countTests() {
  let results;
  try {
    results = JSON.parse(readFileSync(report, "utf8"));
  } catch {
    return 0;
  } finally {
    rmSync(report, { force: true });
  }
  counts.passed += results.numPassedTests;
  counts.failed += results.numFailedTests;
  counts.skipped += results.numPendingTests + results.numTodoTests;
  // A file that cannot be loaded has failed although it names no test.
  counts.failed += results.testResults.filter(
    (file) => file.status === "failed" && !hasFailedTest(file),
  ).length;
  return results.numPassedTests + results.numFailedTests;
}

function hasFailedTest(file) {
  return file.assertionResults.some(({ status }) => status === "failed");
}

async function finish() {
  if (isInterrupted) {
    await endSteps();
    counts.failed += 1;
    console.log("Interrupted.");
  }
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
  process.exit(counts.failed > 0 ? 1 : 0);
}

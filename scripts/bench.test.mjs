// The benchmark with little of everything: it runs, keeps its word on what it checks, and says so in table and JSON.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { root } from "./places.mjs";

/** A minute and a half on two busy cores; a machine may be half as fast. */
const quickMs = 5 * 60_000;

function bench(...args) {
  const options = { cwd: root, encoding: "utf8", timeout: quickMs };
  return spawnSync(process.execPath, [join(root, "scripts", "bench.mjs"), ...args], options);
}

test("every scenario runs, and the JSON holds what the table shows", { timeout: quickMs + 10_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "sotto-bench-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "figures.json");
  const { status, stdout, stderr } = bench("--quick", "--json", file);
  expect(status, stderr).toBe(0);
  const report = JSON.parse(readFileSync(file, "utf8"));
  const names = [
    ...bench("--help")
      .stdout.split("Scenarios:\n")[1]
      .matchAll(/^ {2}(\S+)/gm),
  ].map(([, name]) => name);
  expect(report.scenarios.map(({ name }) => name)).toEqual(names);
  for (const { name, rows } of report.scenarios) {
    expect(rows.length, name).toBeGreaterThan(0);
    for (const { figure, value } of rows) {
      expect(stdout).toContain(`| ${figure}`);
      expect(value.median, figure).toBeGreaterThanOrEqual(0);
    }
  }
});

test("an unknown scenario and an unknown flag are refused with the help", () => {
  for (const args of [["--only", "nothing"], ["--fast"]]) {
    const { status, stderr } = bench(...args);
    expect(status).toBe(1);
    expect(stderr).toContain("Scenarios:");
  }
});

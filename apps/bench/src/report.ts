import type { Machine } from "./machine.ts";
import { judge, type Goal, type Row } from "./scenario.ts";
import type { Summary } from "./statistics.ts";

export interface Report {
  machine: Machine;
  postgres: string;
  settings: { rounds: number; seconds: number; isQuick: boolean };
  scenarios: { name: string; rows: Row[]; violation?: string }[];
}

/** The table in Markdown, so that docs/PERFORMANCE.md can hold it as it is. */
export function toTable({ machine, postgres, settings, scenarios }: Report): string {
  const about =
    `${machine.date.slice(0, 16).replace("T", " ")} UTC, commit ${machine.commit}; ${machine.cpu}, ` +
    `${machine.cores} cores, ${machine.memoryGib} GiB, ${machine.system}, Node ${machine.node}, ` +
    `PostgreSQL ${postgres}; ${settings.rounds} rounds of ${settings.seconds} s`;
  const cells = scenarios.flatMap(({ rows }) => rows.map(toCells));
  const table = [["Figure", "Median (min–max)", "Limit", "Ratio", "Goal", ""], ...cells];
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(3, ...table.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: string[]): string =>
    `| ${widths.map((width, column) => (row[column] ?? "").padEnd(width)).join(" | ")} |`;
  const [head = [], ...body] = table;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  const violations = scenarios.flatMap(({ name, violation }) =>
    violation === undefined ? [] : [`${name}: ${violation}`],
  );
  return `${[about, "", line(head), rule, ...body.map(line), ...violations].join("\n")}\n`;
}

function toCells(row: Row): string[] {
  const { ratio, isMet } = judge(row);
  const { limit, goal } = row;
  const against = !limit
    ? ""
    : "value" in limit
      ? `${limit.name} ${toText(limit.value)}`
      : `${limit.name}: not measured, ${limit.missing}`;
  return [
    row.figure,
    `${toText(row.value)} ${row.unit}`,
    against,
    ratio === undefined ? "" : ratio.toFixed(2),
    goal ? goalText(goal) : "",
    isMet === undefined ? "" : isMet ? "met" : "missed",
  ];
}

function goalText(goal: Goal): string {
  return "atLeast" in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`;
}

function toText({ median, min, max, rounds }: Summary): string {
  return rounds === 1 ? round(median) : `${round(median)} (${round(min)}–${round(max)})`;
}

/** Three digits that count. */
function round(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  return Number(value.toPrecision(3)).toString();
}

import type { Bench } from "./bench.ts";
import type { Summary } from "./statistics.ts";

/** A bound of design.md §10: on the ratio where there is a limit to compare with, else on the figure itself. */
export type Goal = { atLeast: number } | { atMost: number };

/** One line of the table. */
export interface Row {
  figure: string;
  unit: string;
  value: Summary;
  /** What the same machine allows, measured in the same run; or why that was not measured. */
  limit?: { name: string; value: Summary } | { name: string; missing: string };
  goal?: Goal;
}

export interface Scenario {
  name: string;
  /** One line for `--help`. */
  about: string;
  run(bench: Bench): Promise<Row[]>;
}

/** Thrown by a scenario that checks correctness when something does not hold; the run then fails. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export interface Verdict {
  ratio: number | undefined;
  isMet: boolean | undefined;
}

export function judge({ value, limit, goal }: Row): Verdict {
  const ratio = limit && "value" in limit ? value.median / limit.value.median : undefined;
  const judged = limit ? ratio : value.median;
  if (!goal || judged === undefined) return { ratio, isMet: undefined };
  return { ratio, isMet: "atLeast" in goal ? judged >= goal.atLeast : judged <= goal.atMost };
}

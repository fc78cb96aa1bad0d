/** Runs in the page: Vitest's own runner, over test files that are bundled with it. */
import { startTests } from "vitest/internal/browser";
import type { RunnerTask, RunnerTestFile, SerializedConfig } from "vitest";
import type { PageResult } from "./page-result.ts";

const timeoutMs = 20_000;
/** What the runner reads of the configuration; `expect` finds it where a worker of Vitest would have it. */
const config = {
  root: "/",
  setupFiles: [],
  allowOnly: false,
  sequence: { shuffle: false, concurrent: false, seed: 1, hooks: "stack", setupFiles: "list" },
  maxConcurrency: 1,
  testTimeout: timeoutMs,
  hookTimeout: timeoutMs,
  retry: 0,
  chaiConfig: {},
  expect: {},
  tags: [],
  experimental: {},
} as unknown as SerializedConfig;
Object.assign(globalThis, {
  __vitest_worker__: { config, ctx: {}, environment: { name: "browser" }, metaEnv: {}, rpc: {} },
});

/** Gives the result of every test of these files, which `load` imports. */
export async function runInPage(load: Record<string, () => Promise<unknown>>): Promise<PageResult[]> {
  const files = await startTests(Object.keys(load), { config, importFile: (path) => load[path]?.() });
  return files.flatMap((file) => collect(file, { file: file.filepath, name: "" }));
}

function collect(
  task: RunnerTask | RunnerTestFile,
  { file, name }: { file: string; name: string },
): PageResult[] {
  const errors = (task.result?.errors ?? []).map(({ message, stack = "" }) =>
    stack.includes(message) ? stack : `${message}\n${stack}`,
  );
  const own = { file, name: name || file, errors };
  if (!("tasks" in task)) return [{ ...own, state: stateOf(task) }];
  // Errors of a file or suite: it could not be read, or one of its hooks failed.
  const failed: PageResult[] = errors.length > 0 ? [{ ...own, state: "failed" }] : [];
  const under = (child: RunnerTask) =>
    collect(child, { file, name: name ? `${name} > ${child.name}` : child.name });
  return [...failed, ...task.tasks.flatMap(under)];
}

function stateOf({ mode, result }: RunnerTask): PageResult["state"] {
  if (result?.state === "pass") return "passed";
  return mode === "skip" || mode === "todo" ? "skipped" : "failed";
}

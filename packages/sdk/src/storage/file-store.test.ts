import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SottoError } from "../errors.ts";
import { testStore } from "./conformance.ts";
import { fileStore } from "./file-store.ts";

const folder = mkdtempSync(join(tmpdir(), "sotto-store-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;
const newPath = () => join(folder, `${made++}.sotto`);

testStore("file store", async () => fileStore(newPath()));

test("keeps what was committed, readable for its owner only", async () => {
  const path = newPath();
  const store = fileStore(path);
  await store.commit([{ key: "a", value: { bytes: Uint8Array.of(7) } }]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
  await store.close();
  const again = fileStore(path);
  expect(await again.get("a")).toEqual({ bytes: Uint8Array.of(7) });
  await again.close();
});

test("a second opener is told that the store is locked, until the first closes", async () => {
  const path = newPath();
  const first = fileStore(path);
  const refusal = catchError(() => fileStore(path));
  expect(refusal instanceof SottoError && refusal.code).toBe("STORE_LOCKED");
  const { code } = await openInChild(path);
  expect(code).toBe("STORE_LOCKED");
  await first.close();
  await fileStore(path).close();
});

test("a process killed in the middle of commits leaves whole commits, and all that were answered", async () => {
  const path = newPath();
  for (let round = 0; round < 4; round++) {
    const answered = await commitUntilKilled(path, 20 + round * 35);
    const store = fileStore(path);
    const items = await store.list("part/");
    const values = new Set(items.map(({ value }) => value));
    expect(items).toHaveLength(8);
    expect(values.size).toBe(1);
    const [value] = values;
    expect(Number(value)).toBeGreaterThanOrEqual(answered);
    await store.close();
  }
});

const module = JSON.stringify(new URL("file-store.ts", import.meta.url).href);

function runChild(script: string) {
  const flags = ["--conditions=@sotto/source", "--no-warnings", "--input-type=module", "--eval", script];
  return spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
}

/** Writes eight keys with the same growing number in each commit; gives the last number it was answered for. */
async function commitUntilKilled(path: string, afterCommits: number): Promise<number> {
  const child = runChild(`
    const { fileStore } = await import(${module});
    const store = fileStore(${JSON.stringify(path)});
    let n = Number((await store.get("part/0")) ?? 0);
    while (true) {
      n++;
      await store.commit(Array.from({ length: 8 }, (_, at) => ({ key: "part/" + at, value: n })));
      process.stdout.write(n + "\\n");
      if (n % 10 === 0) await new Promise(setImmediate);
    }
  `);
  const exited = once(child, "exit");
  let output = "";
  for await (const chunk of child.stdout) {
    output += String(chunk);
    if (output.split("\n").length > afterCommits) child.kill("SIGKILL");
  }
  await exited;
  const whole = output.slice(0, output.lastIndexOf("\n")).split("\n");
  return Number(whole.at(-1));
}

async function openInChild(path: string): Promise<{ code: string }> {
  const child = runChild(`
    const { fileStore } = await import(${module});
    try { fileStore(${JSON.stringify(path)}); console.log("opened"); } catch (error) { console.log(error.code); }
  `);
  let output = "";
  for await (const chunk of child.stdout) output += String(chunk);
  return { code: output.trim() };
}

function catchError(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

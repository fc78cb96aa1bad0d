import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

const main = path.join(import.meta.dirname, "../src/commands/main.ts");

/** Runs a command of `npm run` as a process of its own; gives what it printed, or rejects with `stderr`. */
export async function runCommand(
  name: string,
  { env = {}, args = [] }: { env?: Record<string, string>; args?: string[] },
): Promise<string> {
  const nodeArgs = ["--conditions=@sotto/source", main, name, ...args];
  const { stdout } = await promisify(execFile)(process.execPath, nodeArgs, {
    env: { ...process.env, ...env },
  });
  return stdout;
}

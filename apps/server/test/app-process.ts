import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { Watched } from "./sdk-fixtures.ts";

const apps = path.join(import.meta.dirname, "../..");

interface AppOptions {
  args?: string[];
  env?: Record<string, string>;
  cwd: string;
}

/** One of the example applications as a process of its own, without a terminal. */
export class AppProcess implements AsyncDisposable {
  /** What it has said so far, errors too. */
  output = "";
  /** Its exit code; null when it was killed. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #watched = new Watched();

  constructor(app: string, { args = [], env = {}, cwd }: AppOptions) {
    const main = path.join(apps, app, "src/main.ts");
    const options = ["--conditions=@sotto/source", "--disable-warning=ExperimentalWarning"];
    const child = spawn(process.execPath, [...options, main, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
        this.#watched.changed();
      });
    }
    // A line that is typed as it ends.
    child.stdin.on("error", () => {});
    this.#child = child;
    this.ended = once(child, "close").then(([code]) => code as number | null);
  }

  type(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** As the end of a pipe. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  /** Waits until it has said this; gives what the expression found. */
  async until(expected: RegExp | string, since = 0): Promise<string[]> {
    const find = (): string[] | undefined => {
      const text = this.output.slice(since);
      if (typeof expected === "string") return text.includes(expected) ? [expected] : undefined;
      return expected.exec(text)?.map(String);
    };
    await this.#watched
      .until(String(expected), () => find() !== undefined)
      .catch((error: unknown) => {
        throw new Error(`${String(error)}; it said:\n${this.output}`);
      });
    return find() ?? [];
  }

  /** Without a word, as a crash. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

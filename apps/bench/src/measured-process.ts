import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { ProbeQuestion, Usage } from "./probe.ts";

const stopMs = 10_000;

export interface ProcessOptions {
  /** The file to run. */
  file: string;
  args?: string[];
  /** For Node. */
  flags?: string[];
  env?: Record<string, string>;
  /** Where its output goes; nowhere by default. */
  logFile?: string;
}

type Without<T, Key extends string> = T extends unknown ? Omit<T, Key> : never;

/** A Node process of its own with the probe in it, so that its CPU time and memory can be read apart. */
export class MeasuredProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #lastId = 0;

  constructor({ file, args = [], flags = [], env = {}, logFile }: ProcessOptions) {
    const output = logFile === undefined ? "ignore" : openSync(logFile, "a");
    const probe = pathToFileURL(path.join(import.meta.dirname, "probe.ts")).href;
    this.child = spawn(
      process.execPath,
      [
        "--conditions=@sotto/source",
        "--enable-source-maps",
        "--disable-warning=ExperimentalWarning",
        `--import=${probe}`,
        ...flags,
        file,
        ...args,
      ],
      {
        env: { ...process.env, NODE_ENV: "production", ...env },
        stdio: ["ignore", output, output === "ignore" ? "inherit" : output, "ipc"],
      },
    );
    this.#ended = once(this.child, "exit").then(([code, signal]) => {
      for (const settle of this.#waiting.values()) settle(undefined);
      return code ?? signal;
    });
    this.child.on("message", (message: { probe?: true; id: number; result: unknown }) => {
      if (!message.probe) return;
      this.#waiting.get(message.id)?.(message.result);
      this.#waiting.delete(message.id);
    });
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async usage(options: { collects?: boolean } = {}): Promise<Usage> {
    // The probe of the same source answers.
    return (await this.#ask({ probe: "usage", collects: options.collects ?? false })) as Usage;
  }

  async startProfile(): Promise<void> {
    await this.#ask({ probe: "start_profile" });
  }

  /** Writes a `.cpuprofile`, which Chromium's developer tools and VS Code open. */
  async stopProfile(file: string): Promise<void> {
    await this.#ask({ probe: "stop_profile", file });
  }

  async #ask(question: Without<ProbeQuestion, "id">): Promise<unknown> {
    const id = ++this.#lastId;
    const answer = new Promise<unknown>((resolve) => this.#waiting.set(id, resolve));
    if (!this.isRunning) throw new Error("The measured process has ended");
    this.child.send({ ...question, id });
    const result = await answer;
    if (result === undefined) throw new Error("The measured process ended while it was asked");
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) this.child.kill("SIGTERM");
    const timer = setTimeout(() => this.child.kill("SIGKILL"), stopMs);
    await this.#ended;
    clearTimeout(timer);
  }
}

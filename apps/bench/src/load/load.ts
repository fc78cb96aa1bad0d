import path from "node:path";
import { once } from "node:events";
import { MeasuredProcess } from "../measured-process.ts";
import type { Jobs } from "./jobs.ts";
import type { Order, Outcome } from "./worker.ts";

/** A process that makes load. */
export class Load implements AsyncDisposable {
  readonly process: MeasuredProcess;
  readonly #ready: Promise<unknown>;
  #lastId = 0;

  constructor() {
    this.process = new MeasuredProcess({ file: path.join(import.meta.dirname, "worker.ts") });
    this.#ready = once(this.process.child, "message");
  }

  async run<Name extends keyof Jobs>(
    job: Name,
    input: Parameters<Jobs[Name]>[0],
  ): Promise<Awaited<ReturnType<Jobs[Name]>>> {
    await this.#ready;
    const id = ++this.#lastId;
    const { child } = this.process;
    const outcome = new Promise<Outcome>((resolve, reject) => {
      const fail = (): void => reject(new Error("A load process ended"));
      const take = (message: Outcome | { probe: true }): void => {
        if ("probe" in message || message.id !== id) return;
        child.off("message", take).off("exit", fail);
        resolve(message);
      };
      child.on("message", take);
      child.once("exit", fail);
    });
    child.send({ job, id, input } satisfies Order);
    const answer = await outcome;
    if ("error" in answer) throw new Error(`The job ${job} failed: ${answer.error}`);
    // The worker takes its jobs from the same table.
    return answer.result as Awaited<ReturnType<Jobs[Name]>>;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.process[Symbol.asyncDispose]();
  }
}

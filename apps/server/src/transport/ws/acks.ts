import { seq as seqSchema, logId, type LogId } from "@sotto/schema";
import { z } from "zod";
import type { App } from "../../app.ts";
import { AppError } from "../../errors.ts";
import { runProcedure } from "../../pipeline/run-procedure.ts";

const ackFrame = z.object({ log: logId, seq: seqSchema });
const maxLogsPerCall = 200;

/**
 * The acks of one socket: the newest of each log is stored, one call at a time, so that a client
 * may ack every frame of a backlog and costs the database a few statements.
 */
export class AckQueue {
  readonly #app: App;
  readonly #connection: { token: string; address: string; requestId: string };
  /** Of an idle socket there is none. */
  #pending: Map<LogId, number> | undefined;

  constructor(app: App, connection: { token: string; address: string; requestId: string }) {
    this.#app = app;
    this.#connection = connection;
  }

  /** A frame that is no sound ack is ignored. */
  add(frame: unknown): void {
    const ack = ackFrame.safeParse(frame);
    if (!ack.success) return;
    const { log, seq } = ack.data;
    const isRunning = this.#pending !== undefined;
    const pending = (this.#pending ??= new Map());
    pending.set(log, Math.max(seq, pending.get(log) ?? 0));
    if (!isRunning) void this.#run(pending);
  }

  async #run(pending: Map<LogId, number>): Promise<void> {
    while (pending.size > 0) {
      const positions = [...pending].slice(0, maxLogsPerCall).map(([log, seq]) => ({ log, seq }));
      for (const { log } of positions) pending.delete(log);
      await this.#store(positions);
    }
    this.#pending = undefined;
  }

  async #store(positions: { log: LogId; seq: number }[]): Promise<void> {
    try {
      await runProcedure(this.#app, {
        area: "sync",
        name: "ack",
        readInput: () => ({ positions }),
        ...this.#connection,
      });
    } catch (error) {
      // One log that is not the caller's must not hold up the others.
      if (error instanceof AppError && error.code === "LOG_NOT_FOUND" && positions.length > 1) {
        for (const position of positions) await this.#store([position]);
        return;
      }
      // What is not stored comes again on the next connection.
      this.#app.log.debug({ requestId: this.#connection.requestId, err: error }, "an ack was not stored");
    }
  }
}

import type { Message } from "./trpc-messages.ts";

type Result = { type: "started" | "stopped" } | { type: "data"; data: unknown };

/** One subscription of a socket: `started` goes before its first event, `stopped` ends it. */
export class TrpcSubscription implements Disposable {
  readonly id: Message["id"];
  readonly #answer: (result: Result) => void;
  #running: Disposable | undefined;
  #isStarted = false;
  #isEnded = false;

  constructor(id: Message["id"], answer: (result: Result) => void) {
    this.id = id;
    this.#answer = answer;
  }

  /** What runs is disposed of when the subscription ends, which it may have done. */
  start(running: Disposable): void {
    this.#running = running;
    if (this.#isEnded) running[Symbol.dispose]();
    else this.#tellStart();
  }

  send(event: unknown): void {
    if (this.#isEnded) return;
    this.#tellStart();
    this.#answer({ type: "data", data: event });
  }

  stop(): void {
    this[Symbol.dispose]();
    this.#answer({ type: "stopped" });
  }

  #tellStart(): void {
    if (!this.#isStarted) this.#answer({ type: "started" });
    this.#isStarted = true;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  [Symbol.dispose](): void {
    this.#isEnded = true;
    this.#running?.[Symbol.dispose]();
  }
}

const maxWaiting = 1_000;

/** Typed listeners. A listener that throws fails by itself: the SDK's work goes on. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();

  /** Gives the function that removes the listener. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(name, listeners);
    return () => listeners.delete(listener);
  }

  /** Somebody listens: what only an event needs is worth making. */
  has(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        // Only listeners of this event are kept under its name.
        (listener as (event: Events[Name]) => void)(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** What is told from the first `next` on, until `signal` aborts. Of more than can be kept the oldest are left out. */
  async *iterate<Name extends keyof Events>(
    name: Name,
    signal?: AbortSignal,
  ): AsyncGenerator<Events[Name], void, undefined> {
    const waiting: Events[Name][] = [];
    let arrival = Promise.withResolvers<void>();
    const wake = (): void => arrival.resolve();
    const remove = this.on(name, (event) => {
      waiting.push(event);
      if (waiting.length > maxWaiting) waiting.shift();
      wake();
    });
    signal?.addEventListener("abort", wake);
    try {
      while (!signal?.aborted) {
        const next = waiting.shift();
        if (next !== undefined) {
          yield next;
          continue;
        }
        await arrival.promise;
        arrival = Promise.withResolvers();
      }
    } finally {
      signal?.removeEventListener("abort", wake);
      remove();
    }
  }
}

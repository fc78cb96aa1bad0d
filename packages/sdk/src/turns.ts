import type { Store } from "./storage/store.ts";

/** Runs tasks one after the other, in the order in which they were given. A failed one does not stop the next. */
export interface Turns {
  run<T>(task: () => Promise<T>): Promise<T>;
}

/** Among the tasks of one client. */
export class LocalTurns implements Turns {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => {});
    return result;
  }
}

/**
 * What is done one at a time on a store, whichever tab does it. A turn of `store` is for reading and committing: no
 * network in it, and no other turn. One of `account` or `identity` may take one of `store`, one of `identity` also one
 * of `account`. One of `spool` is for removing a file from the spool; who holds the lock of one file, `spool/ID`, may take
 * it, and one of `store`.
 */
export function turnsOf({ tabs }: Store, name: "store" | "account" | "identity" | "spool"): Turns {
  return tabs ? { run: (task) => tabs.hold(name, task) } : new LocalTurns();
}

import { SottoError } from "../errors.ts";
import type { ListOptions, Store, StoreItem, StoreWrite } from "./store.ts";

/** The store, as long as a session lasts: what is still at work when the user signs out must not leave anything in it. */
export class SessionStore implements Store {
  readonly keepsCryptoKeys: Store["keepsCryptoKeys"];
  readonly tabs: Store["tabs"];
  readonly #store: Store;
  readonly #committing = new Set<Promise<void>>();
  #isOver = false;

  constructor(store: Store) {
    this.#store = store;
    this.keepsCryptoKeys = store.keepsCryptoKeys;
    this.tabs = store.tabs;
  }

  get(key: string): Promise<unknown> {
    return this.#store.get(key);
  }

  list(prefix: string, options?: ListOptions): Promise<StoreItem[]> {
    return this.#store.list(prefix, options);
  }

  /** Throws `NOT_SIGNED_IN` once the session is over. */
  async commit(writes: readonly StoreWrite[]): Promise<void> {
    if (this.#isOver) throw new SottoError("NOT_SIGNED_IN");
    const done = this.#store.commit(writes);
    this.#committing.add(done);
    try {
      await done;
    } finally {
      this.#committing.delete(done);
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** Resolves when nothing is written any more. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.allSettled(this.#committing);
  }
}

import { SottoError, abortOf } from "../errors.ts";

/** How long a tab waits before it asks whether the one that holds a lock lives, and how long for the answer. */
export interface Patience {
  askAfterMs: number;
  answerWithinMs: number;
}

interface HeldLocksOptions {
  /** What the names of this store's locks begin with. */
  prefix: string;
  askAfterMs: number;
  /** Which of these tabs do not answer. */
  findSilent: (tabIds: readonly string[]) => Promise<string[]>;
  /** Makes sure that they commit nothing any more. */
  depose: (tabIds: readonly string[]) => Promise<void>;
  /** A lock was taken from this tab. */
  onLost: () => void;
}

/** The Web Locks of one store. One whose holder does not answer is taken from it, once it was deposed. */
export class HeldLocks {
  readonly #options: HeldLocksOptions;
  /** What was begun with a lock, each with what tells it that the lock is lost. */
  readonly #running = new Map<Promise<unknown>, AbortController>();

  constructor(options: HeldLocksOptions) {
    this.#options = options;
  }

  async hold<T>(name: string, run: (lost: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const lost = new AbortController();
    const state: { running: Promise<T> | undefined; isOver: boolean } = { running: undefined, isOver: false };
    const asking = setInterval(() => {
      if (!state.running) void this.#replaceSilent(name).catch(() => {});
    }, this.#options.askAfterMs);
    try {
      return await navigator.locks.request(this.#full(name), signal ? { signal } : {}, () => {
        const running = run(lost.signal).finally(() => {
          state.isOver = true;
          this.#running.delete(running);
        });
        state.running = running;
        this.#running.set(running, lost);
        return running;
      });
    } catch (error) {
      if (!state.running) throw signal?.aborted ? abortOf(signal) : error;
      if (!state.isOver) {
        lose(lost);
        this.#options.onLost();
      }
      return await state.running;
    } finally {
      clearInterval(asking);
    }
  }

  /** Everything that was begun with a lock has ended. What it still commits is refused: it need not go on. */
  async untilIdle(): Promise<void> {
    this.#running.forEach(lose);
    await Promise.allSettled(this.#running.keys());
  }

  /** Holds a name until it is released, or the page dies. */
  async keep(name: string): Promise<() => void> {
    const held = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    navigator.locks
      .request(this.#full(name), () => {
        held.resolve();
        return released.promise;
      })
      .catch(held.reject);
    await held.promise;
    return released.resolve;
  }

  /** The tabs that have the store open, each with the lock manager's own id of its page. */
  async listTabs(): Promise<{ tabId: string; clientId: string | undefined }[]> {
    return tabsIn(await navigator.locks.query(), this.#full("tab/"));
  }

  #full(name: string): string {
    return `${this.#options.prefix}/${name}`;
  }

  /** Takes a lock from a holder that is silent and gives it back at once: whoever waits comes next, in order. */
  async #replaceSilent(name: string): Promise<void> {
    const asked = await this.#holdersOf(name);
    const silent = await this.#options.findSilent(asked);
    // Several clients of one page live, or do not, together.
    if (silent.length === 0 || silent.length < asked.length) return;
    // One of those that wait does it.
    await navigator.locks.request(this.#full("replacing"), { ifAvailable: true }, async (lock) => {
      const holders = await this.#holdersOf(name);
      if (!lock || !holders.some((id) => silent.includes(id))) return;
      await this.#options.depose(silent);
      await navigator.locks.request(this.#full(name), { steal: true }, async () => {});
    });
  }

  async #holdersOf(name: string): Promise<string[]> {
    const snapshot = await navigator.locks.query();
    const holder = snapshot.held?.find((lock) => lock.name === this.#full(name));
    const tabs = tabsIn(snapshot, this.#full("tab/"));
    return tabs.flatMap(({ tabId, clientId }) => (clientId === holder?.clientId ? [tabId] : []));
  }
}

const lose = (lost: AbortController): void => lost.abort(new SottoError("STORE_LOCKED"));

function tabsIn({ held = [] }: LockManagerSnapshot, prefix: string) {
  return held.flatMap(({ name, clientId }) =>
    name?.startsWith(prefix) ? [{ tabId: name.slice(prefix.length), clientId }] : [],
  );
}

import type { ListOptions, Store, StoreItem, StoreWrite } from "./store.ts";

/**
 * Changes that are not committed yet, readable as if they were. What several parts change goes into the store in one
 * commit: read and put through the draft, then commit `writes` together with what else belongs to them.
 */
export class Draft implements Pick<Store, "get" | "list"> {
  readonly #store: Pick<Store, "get" | "list">;
  readonly #changed = new Map<string, unknown>();

  constructor(store: Pick<Store, "get" | "list">) {
    this.#store = store;
  }

  async get(key: string): Promise<unknown> {
    return this.#changed.has(key) ? this.#changed.get(key) : this.#store.get(key);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<StoreItem[]> {
    const { after, limit, isReversed = false } = options;
    const isInRange = (key: string) =>
      key.startsWith(prefix) && (after === undefined || (isReversed ? key < after : key > after));
    const changed = [...this.#changed].filter(([key]) => isInRange(key));
    if (changed.length === 0) return this.#store.list(prefix, options);
    // Each changed key may hide one stored item.
    const stored = await this.#store.list(prefix, {
      ...options,
      limit: limit === undefined ? undefined : limit + changed.length,
    });
    const items = new Map(stored.map(({ key, value }) => [key, value]));
    for (const [key, value] of changed) {
      if (value === undefined) items.delete(key);
      else items.set(key, value);
    }
    const sorted = [...items]
      .map(([key, value]) => ({ key, value }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
    return (isReversed ? sorted.toReversed() : sorted).slice(0, limit);
  }

  put(...writes: readonly StoreWrite[]): void {
    for (const { key, value } of writes) this.#changed.set(key, value);
  }

  get writes(): StoreWrite[] {
    return [...this.#changed].map(([key, value]) => ({ key, value }));
  }
}

import { SortedKeys } from "./sorted-keys.ts";
import { guardedStore } from "./store-error.ts";
import type { ListOptions, Store, StoreItem, StoreWrite } from "./store.ts";

interface Memory {
  values: Map<string, unknown>;
  keys: SortedKeys;
}

/**
 * A store that lasts as long as the page or process: for tests, and for clients that are to leave no trace.
 *
 * @example
 * ```ts
 * const client = await createClient({ url: "http://localhost:8091", store: memoryStore() });
 * ```
 */
export function memoryStore(): Store {
  const memory: Memory = { values: new Map(), keys: new SortedKeys() };
  return guardedStore({
    get: async (key) => structuredClone(memory.values.get(key)),
    list: async (prefix, options) => selectItems(memory, prefix, options),
    commit: async (writes) => apply(memory, writes),
    close: async () => {},
  });
}

function selectItems({ values, keys }: Memory, prefix: string, options: ListOptions = {}): StoreItem[] {
  return keys.select(prefix, options).map((key) => ({ key, value: structuredClone(values.get(key)) }));
}

/** Copies first: a value that cannot be copied must leave nothing half done. */
function apply({ values, keys }: Memory, writes: readonly StoreWrite[]): void {
  const copies = writes.map(({ key, value }) => ({ key, value: structuredClone(value) }));
  for (const { key, value } of copies) {
    if (value === undefined) {
      values.delete(key);
      keys.delete(key);
    } else {
      values.set(key, value);
      keys.add(key);
    }
  }
}

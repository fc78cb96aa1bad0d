import type { ListOptions, Store, StoreItem, StoreWrite } from "./store.ts";

/** A store that lasts as long as the page or process: for tests, and for clients that are to leave no trace. */
export function memoryStore(): Store {
  const values = new Map<string, unknown>();
  return {
    get: async (key) => structuredClone(values.get(key)),
    list: async (prefix, options) => selectItems(values, prefix, options),
    commit: async (writes) => apply(values, writes),
    close: async () => {},
  };
}

function selectItems(
  values: ReadonlyMap<string, unknown>,
  prefix: string,
  { after, limit, isReversed = false }: ListOptions = {},
): StoreItem[] {
  const isWanted = (key: string) =>
    key.startsWith(prefix) && (after === undefined || (isReversed ? key < after : key > after));
  const keys = [...values.keys()].filter(isWanted).toSorted();
  if (isReversed) keys.reverse();
  return keys.slice(0, limit).map((key) => ({ key, value: structuredClone(values.get(key)) }));
}

/** Copies first: a value that cannot be copied must leave nothing half done. */
function apply(values: Map<string, unknown>, writes: readonly StoreWrite[]): void {
  const copies = writes.map(({ key, value }) => ({ key, value: structuredClone(value) }));
  for (const { key, value } of copies) {
    if (value === undefined) values.delete(key);
    else values.set(key, value);
  }
}

/**
 * Browsers may delete IndexedDB when the disk gets full or a site was not visited for long. Chromium keeps
 * `localStorage` then, so a word there tells "deleted" from "never used". Where both go together, and in workers, which
 * have no `localStorage`, a deleted store looks like a new one.
 */
interface EvictionMarker {
  isSet(): boolean;
  set(): void;
  clear(): void;
}

export function evictionMarker(name: string): EvictionMarker {
  const key = `sotto/store/${name}`;
  return {
    isSet: () => attempt((storage) => storage.getItem(key) !== null) ?? false,
    set: () => attempt((storage) => storage.setItem(key, "used")),
    clear: () => attempt((storage) => storage.removeItem(key)),
  };
}

/** Undefined where the browser has no such storage, or refuses it. */
function attempt<T>(run: (storage: Storage) => T): T | undefined {
  try {
    return run(localStorage);
  } catch {
    return undefined;
  }
}

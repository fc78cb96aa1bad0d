import type { Tabs } from "../tabs.ts";

/**
 * Where a client keeps its keys, positions, inbox and outbox: an ordered key–value store with atomic commits.
 * Keys are printable ASCII, and in the clear also where values are encrypted: they hold ids and numbers, nothing that
 * was said. Values are plain data: null, booleans, numbers, strings, `Uint8Array`, and arrays and objects of these.
 */
export interface Store {
  /** A value may also be a `CryptoKey` by itself, a non-extractable one too. Undefined: it may not. */
  readonly keepsCryptoKeys?: true | undefined;
  /** Several clients may have it open at once, by these means. Undefined: one at a time. */
  readonly tabs?: Tabs | undefined;
  /** The value, or undefined. */
  get(key: string): Promise<unknown>;
  /** The items whose keys begin with `prefix`, in the order of their keys' characters. */
  list(prefix: string, options?: ListOptions): Promise<StoreItem[]>;
  /** All of the writes, in order, or none: also when the process dies in the middle. Durable once it resolves. */
  commit(writes: readonly StoreWrite[]): Promise<void>;
  close(): Promise<void>;
}

/** What a store holds under one key. */
export interface StoreItem {
  key: string;
  value: unknown;
}

/** One change of a commit. */
export interface StoreWrite {
  key: string;
  /** Undefined deletes. */
  value: unknown;
}

/** Which items of a prefix, in which order, and how many at most. */
export interface ListOptions {
  /** Only keys after this one; with `isReversed`, before it. */
  after?: string | undefined;
  limit?: number | undefined;
  isReversed?: boolean | undefined;
}

import type { ListOptions } from "./store.ts";

/** So many new keys are looked through at each selection; more are sorted in among the others first. */
const maxFresh = 512;

/** Keys in order, so that a selection costs what it gives and not what there is. */
export class SortedKeys {
  #sorted: string[] = [];
  /** Deleted since they were sorted in. */
  readonly #gone = new Set<string>();
  /** Not sorted in yet. */
  readonly #fresh = new Set<string>();
  readonly #all = new Set<string>();

  add(key: string): void {
    if (this.#all.has(key)) return;
    this.#all.add(key);
    if (!this.#gone.delete(key)) this.#fresh.add(key);
  }

  delete(key: string): void {
    if (!this.#all.delete(key)) return;
    if (!this.#fresh.delete(key)) this.#gone.add(key);
  }

  /** The keys with this prefix, in the order of their characters or against it. */
  select(prefix: string, { after, limit = Infinity, isReversed = false }: ListOptions): string[] {
    if (this.#fresh.size > maxFresh) this.#sortIn();
    const isWanted = (key: string) =>
      key.startsWith(prefix) && (after === undefined || (isReversed ? key < after : key > after));
    const fresh = [...this.#fresh].filter((key) => isWanted(key));
    const found = [...fresh, ...this.#selectSorted(prefix, { after, limit, isReversed })].toSorted();
    return (isReversed ? found.toReversed() : found).slice(0, limit);
  }

  #selectSorted(
    prefix: string,
    { after, limit, isReversed }: { after: string | undefined; limit: number; isReversed: boolean },
  ): string[] {
    // 0x7f follows every printable ASCII character.
    const [start, end] = [prefix, `${prefix}\u007f`].map((key) => this.#positionOf(key));
    const edge = after === undefined ? undefined : this.#positionOf(after);
    const found: string[] = [];
    if (start === undefined || end === undefined) return found;
    let at = isReversed ? Math.min(end, edge ?? end) - 1 : Math.max(start, edge ?? start);
    for (; at >= start && at < end && found.length < limit; at += isReversed ? -1 : 1) {
      const key = this.#sorted[at];
      if (key !== undefined && key !== after && !this.#gone.has(key)) found.push(key);
    }
    return found;
  }

  /** Of the first key that is not before this one. */
  #positionOf(key: string): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] ?? "") < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #sortIn(): void {
    const fresh = [...this.#fresh].toSorted();
    const merged: string[] = [];
    let next = 0;
    for (const key of this.#sorted) {
      for (let one = fresh[next]; one !== undefined && one < key; one = fresh[++next]) merged.push(one);
      if (!this.#gone.has(key)) merged.push(key);
    }
    this.#sorted = [...merged, ...fresh.slice(next)];
    this.#fresh.clear();
    this.#gone.clear();
  }
}

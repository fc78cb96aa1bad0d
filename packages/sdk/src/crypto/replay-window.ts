/**
 * Which counters of one sender device in one conversation have been seen: the highest and a window of 1024 below it.
 * Plain values, so a store can keep them. State in, state out.
 */
import type { Bytes } from "@sotto/schema";

/** How far behind the highest counter a message may come. */
export const replayWindowSize = 1024;

/** The counters that have come of one device in one conversation. Plain data, to be stored. */
export interface ReplayWindow {
  /** The first counter ever seen; lower ones are not missed. */
  first: number;
  highest: number;
  /** Bit `counter % 1024` is set when that counter of the window has been seen. */
  seen: Bytes;
}

/** What {@link acceptCounter} says of a counter. */
export type ReplayVerdict =
  /** Accept, and store `window`. `withheld` counters were skipped over just now: late, lost or possibly withheld. */
  | { verdict: "fresh"; window: ReplayWindow; withheld: CounterRange | undefined }
  | { verdict: "replayed" }
  /** Below the window: cannot be told from a replay. */
  | { verdict: "too_old" };

/** Both ends included. */
export interface CounterRange {
  from: number;
  to: number;
}

const place = (counter: number) => {
  const bit = counter % replayWindowSize;
  return { index: bit >> 3, mask: 1 << (bit & 7) };
};

function hasSeen(seen: Bytes, counter: number): boolean {
  const { index, mask } = place(counter);
  return ((seen[index] ?? 0) & mask) !== 0;
}

function mark(seen: Bytes, counter: number, isSeen: boolean): void {
  const { index, mask } = place(counter);
  const byte = seen[index] ?? 0;
  seen[index] = isSeen ? byte | mask : byte & ~mask;
}

/** Judges a counter of an authenticated message. `undefined` is the state before the first one. */
export function acceptCounter(window: ReplayWindow | undefined, counter: number): ReplayVerdict {
  if (window === undefined) {
    const seen = new Uint8Array(replayWindowSize / 8);
    mark(seen, counter, true);
    return { verdict: "fresh", window: { first: counter, highest: counter, seen }, withheld: undefined };
  }
  const { highest } = window;
  if (counter <= highest - replayWindowSize) return { verdict: "too_old" };
  if (counter <= highest && hasSeen(window.seen, counter)) return { verdict: "replayed" };
  const seen = window.seen.slice();
  const clearFrom = Math.max(highest + 1, counter - replayWindowSize + 1);
  for (let skipped = clearFrom; skipped < counter; skipped++) mark(seen, skipped, false);
  mark(seen, counter, true);
  const withheld = counter > highest + 1 ? { from: highest + 1, to: counter - 1 } : undefined;
  return { verdict: "fresh", window: { ...window, highest: Math.max(highest, counter), seen }, withheld };
}

/** Counters within the window that never came, lowest first: "possibly withheld". */
export function missingCounters({ first, highest, seen }: ReplayWindow): number[] {
  const missing: number[] = [];
  for (let counter = Math.max(first, highest - replayWindowSize + 1); counter < highest; counter++) {
    if (!hasSeen(seen, counter)) missing.push(counter);
  }
  return missing;
}

import type { Bus, Wake } from "../src/bus/bus.ts";

export type EntryWake = Extract<Wake, { kind: "entry" }>;

/** A bus that loses entries on their way, as a real one may: `isLost` decides for each. */
export function losing(isLost: (wake: EntryWake) => boolean): (bus: Bus) => Bus {
  return (bus) => ({
    publish: (wake) => {
      if (wake.kind !== "entry" || !isLost(wake)) bus.publish(wake);
    },
    onWake: bus.onWake,
    onGap: (listener) => bus.onGap(listener),
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  });
}

/** Numbers in [0, 1) that a printed seed repeats (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

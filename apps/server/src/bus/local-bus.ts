import type { Bus, Wake } from "./bus.ts";

/** The bus of a single process. */
export function createLocalBus(): Bus {
  const listeners: ((wake: Wake) => void)[] = [];
  return {
    publish: (wake) => {
      for (const listener of listeners) listener(wake);
    },
    onWake: (listener) => void listeners.push(listener),
    onGap: () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

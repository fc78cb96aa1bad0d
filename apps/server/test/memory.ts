import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function liveBytes(): number {
  collectGarbage();
  // Buffers are freed beside the program's own thread; the next collection waits for that.
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/**
 * Measures how far the memory in use, without garbage, is above what it was. The median for a close bound: a single
 * sample may count buffers that are just being freed; what is held while it grows shows there too. The peak for a wide
 * one: it shows what is held for a short time.
 */
export function watchMemory(): { sample: () => void; medianBytes: () => number; peakBytes: () => number } {
  const before = liveBytes();
  const samples: number[] = [];
  return {
    sample: () => void samples.push(liveBytes() - before),
    peakBytes: () => Math.max(0, ...samples),
    medianBytes: () => samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] ?? 0,
  };
}

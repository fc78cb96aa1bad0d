/** What several rounds of one measurement gave. */
export interface Summary {
  median: number;
  min: number;
  max: number;
  rounds: number;
}

export function summarize(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new Error("Nothing was measured");
  return {
    median: percentile(samples, 0.5),
    min: Math.min(...samples),
    max: Math.max(...samples),
    rounds: samples.length,
  };
}

/** Nearest rank between 0 and 1; of an even number of samples the median is the mean of the middle two. */
export function percentile(samples: readonly number[], rank: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[Math.min(Math.max(index, 0), sorted.length - 1)] ?? Number.NaN;
  if (rank === 0.5 && sorted.length % 2 === 0) return (at(sorted.length / 2 - 1) + at(sorted.length / 2)) / 2;
  return at(Math.ceil(rank * sorted.length) - 1);
}

export interface Latency {
  p50: number;
  p99: number;
  max: number;
  count: number;
}

/** Of milliseconds. */
export function toLatency(samples: readonly number[]): Latency {
  return {
    p50: percentile(samples, 0.5),
    p99: percentile(samples, 0.99),
    max: percentile(samples, 1),
    count: samples.length,
  };
}

import { groupIdOf } from "../people.ts";
import { toLatency, type Latency } from "../statistics.ts";
import { openSender } from "./sender.ts";
import { ciphertextOf, type Door, type Target } from "./target.ts";

interface SendInput {
  target: Target;
  door: Door;
  inFlight: number;
  /** A multiple of `inFlight`: each client has pairs of its own. */
  pairs: number;
  /** Into a group of this size instead of the pairs. */
  groupSize?: number;
  durationMs: number;
}

export interface SendResult {
  count: number;
  /** Answers that were no 2xx. */
  failures: number;
  elapsedMs: number;
  latency: Latency;
}

/** As many clients as messages in flight; each sends its next message when the last one was answered. */
export async function send(input: SendInput): Promise<SendResult> {
  const { target, door, inFlight, pairs, groupSize, durationMs } = input;
  const samples: number[] = [];
  let failures = 0;
  const senders = await Promise.all(Array.from({ length: inFlight }, () => openSender(target, door)));
  const startedAt = performance.now();
  await Promise.all(
    senders.map(async (sender, client) => {
      for (let round = 0; performance.now() - startedAt < durationMs; round++) {
        const pair = (client + round * inFlight) % pairs;
        const from = groupSize === undefined ? 2 * pair : client % groupSize;
        const to = groupSize === undefined ? { person: 2 * pair + 1 } : { group: groupIdOf(groupSize) };
        const sentAt = performance.now();
        const status = await sender.send(from, to, ciphertextOf(round));
        samples.push(performance.now() - sentAt);
        if (status < 200 || status > 299) failures++;
      }
    }),
  );
  const elapsedMs = performance.now() - startedAt;
  for (const sender of senders) sender[Symbol.dispose]();
  return { count: samples.length, failures, elapsedMs, latency: toLatency(samples) };
}

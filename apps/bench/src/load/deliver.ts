import { setTimeout as pause } from "node:timers/promises";
import { toLatency, type Latency } from "../statistics.ts";
import { openSender } from "./sender.ts";
import { ciphertextOf, numberIn, tokenFor, type Target } from "./target.ts";
import { WsReader } from "./ws-reader.ts";

interface DeliverInput {
  target: Target;
  /** Clients that send the next message when the last one was answered and delivered; or a fixed rate of one. */
  pace: { inFlight: number } | { perSecond: number };
  durationMs: number;
}

/** From before the send is written until the peer's socket has its frame. Person 2n sends to person 2n + 1. */
export async function deliver({ target, pace, durationMs }: DeliverInput): Promise<Latency> {
  const clients = "inFlight" in pace ? pace.inFlight : 16;
  const arrivals = new Map<number, () => void>();
  const samples: number[] = [];
  const onText = (frame: Buffer): void => arrivals.get(numberIn(frame))?.();
  const indices = Array.from({ length: clients }, (_, index) => index);
  const readers = await Promise.all(
    indices.map((n) =>
      WsReader.open({ url: target.url, path: `/ws?token=${tokenFor(target, 2 * n + 1)}`, onText }),
    ),
  );
  const senders = await Promise.all(indices.map(() => openSender(target, "rest")));
  let last = 0;
  const sendOne = async (n: number): Promise<void> => {
    const message = ++last;
    const sentAt = performance.now();
    const arrived = new Promise<void>((resolve) => {
      arrivals.set(message, () => {
        samples.push(performance.now() - sentAt);
        arrivals.delete(message);
        resolve();
      });
    });
    const status = await senders[n]?.send(2 * n, { person: 2 * n + 1 }, ciphertextOf(message));
    if (status !== 200) throw new Error(`A send was answered ${status}`);
    await arrived;
  };
  const startedAt = performance.now();
  const isOver = (): boolean => performance.now() - startedAt >= durationMs;
  if ("inFlight" in pace) {
    await Promise.all(
      indices.map(async (n) => {
        while (!isOver()) await sendOne(n);
      }),
    );
  } else {
    const open: Promise<void>[] = [];
    for (let k = 0; !isOver(); k++) {
      open.push(sendOne(k % clients));
      await pause(Math.max(0, startedAt + ((k + 1) * 1000) / pace.perSecond - performance.now()));
    }
    await Promise.all(open);
  }
  for (const closing of [...readers, ...senders]) closing[Symbol.dispose]();
  return toLatency(samples);
}

import { setTimeout as pause } from "node:timers/promises";
import { toLatency, type Latency } from "../statistics.ts";
import { tokenFor, type Target } from "./target.ts";
import { WsReader } from "./ws-reader.ts";

interface SocketsInput {
  target: Target;
  /** Persons from the first up to, not including, the last. */
  first: number;
  last: number;
  door: "ws" | "trpc" | "raw";
  /** So many open at once. */
  width: number;
}

const held: WsReader[] = [];
const isCaughtUp = (payload: Buffer): boolean => payload.includes('"caught_up"');

export interface Opened {
  /** Until it was level, failed tries included. */
  latency: Latency;
  /** How often a connection was refused or cut before it was level, and was tried again. */
  retries: number;
}

/** As long as a client waits at first before it tries again. */
const retryMs = 500;
const maxTries = 20;

/** Opens a resuming socket for each person, waits until it is level, and holds it. */
export async function openSockets(input: SocketsInput): Promise<Opened> {
  const samples: number[] = [];
  let retries = 0;
  let next = input.first;
  await Promise.all(
    Array.from({ length: input.width }, async () => {
      while (next < input.last) {
        const startedAt = performance.now();
        const person = next++;
        for (let tries = 1; ; tries++) {
          const reader = await openLevel(input, person).catch((error: unknown) => {
            if (tries === maxTries) throw error;
          });
          if (reader) {
            held.push(reader);
            break;
          }
          retries++;
          await pause(retryMs);
        }
        samples.push(performance.now() - startedAt);
      }
    }),
  );
  return { latency: toLatency(samples), retries };
}

async function openLevel({ target, door }: SocketsInput, person: number): Promise<WsReader> {
  const level = Promise.withResolvers<void>();
  const onText = (payload: Buffer): void => {
    if (isCaughtUp(payload)) level.resolve();
  };
  const token = tokenFor(target, person);
  const path = { raw: "/echo", trpc: "/trpc?connectionParams=1", ws: `/ws?resume=1&token=${token}` }[door];
  const reader = await WsReader.open({ url: target.url, path, onText });
  if (door === "raw") return reader;
  void reader.closed.then((code) => level.reject(new Error(`A socket was closed with ${code}`)));
  if (door === "trpc") {
    reader.send(JSON.stringify({ method: "connectionParams", data: { token } }));
    const params = { path: "sync.subscribe" };
    reader.send(JSON.stringify({ id: 1, method: "subscription", params }));
  }
  await level.promise;
  return reader;
}

/** Closes what was opened. */
export async function closeSockets(): Promise<void> {
  for (const reader of held) reader[Symbol.dispose]();
  await Promise.all(held.map(({ closed }) => closed));
  held.length = 0;
}

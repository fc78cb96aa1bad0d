import { setTimeout as pause } from "node:timers/promises";
import { groupIdOf } from "../people.ts";
import { openSender } from "./sender.ts";
import { ciphertextOf, tokenFor, type Target } from "./target.ts";
import { WsReader } from "./ws-reader.ts";

interface SendInput {
  target: Target;
  senders: number;
  /** Into the group of this size, else each of person 2n to person 2n + 1. */
  groupSize: number | undefined;
  ciphertextBytes: number;
  durationMs: number;
}

/** Sends from all at once; gives how often each status was answered. */
export async function soakSend(input: SendInput): Promise<Record<number, number>> {
  const { target, senders, groupSize, ciphertextBytes, durationMs } = input;
  const statuses: Record<number, number> = {};
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: senders }, async (_, n) => {
      using sender = await openSender(target, "rest");
      const person = groupSize === undefined ? 2 * n : n;
      const to = groupSize === undefined ? { person: person + 1 } : { group: groupIdOf(groupSize) };
      for (let k = 0; performance.now() - startedAt < durationMs; k++) {
        const status = await sender.send(person, to, ciphertextOf(k, ciphertextBytes));
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
    }),
  );
  return statuses;
}

interface ReadersInput {
  target: Target;
  persons: number[];
  /** So many of the first stop reading as soon as they are level. */
  stalled: number;
  /** The log whose messages count; all where there is none. */
  log: string | undefined;
}

interface Reading {
  reader: WsReader;
  isStalled: boolean;
  /** The last number of each log, and how many came. */
  last: Map<string, number>;
  count: number;
}

const readings = new Map<number, Reading>();
const problems: string[] = [];

/** Connects resuming readers that check that each log's numbers follow each other. */
export async function soakReaders({ target, persons, stalled, log }: ReadersInput): Promise<void> {
  for (const [index, person] of persons.entries()) {
    const level = Promise.withResolvers<void>();
    const reading = {
      last: new Map<string, number>(),
      count: 0,
      isStalled: index < stalled,
    };
    const reader = await WsReader.open({
      url: target.url,
      path: `/ws?resume=1&token=${tokenFor(target, person)}`,
      onText: (payload) => {
        if (payload.includes('"caught_up"')) level.resolve();
        else if (payload.includes('"type":"message"')) take({ person, payload, only: log });
      },
    });
    await level.promise;
    // What an earlier round left unacknowledged came before.
    readings.set(person, { ...reading, reader });
    if (reading.isStalled) reader.socket.pause();
  }
}

function take({
  person,
  payload,
  only,
}: {
  person: number;
  payload: Buffer;
  only: string | undefined;
}): void {
  const reading = readings.get(person);
  if (!reading) return;
  // The frame ends with `"log":"<id>","seq":<n>}`.
  const end = payload.toString("latin1", payload.length - 80);
  const [, log = "", seq = "0"] = /"log":"([^"]+)","seq":(\d+)}$/.exec(end) ?? [];
  const last = reading.last.get(log);
  if (last !== undefined && Number(seq) !== last + 1 && problems.length < 10) {
    problems.push(`person ${person}: ${seq} came after ${last}`);
  }
  reading.last.set(log, Number(seq));
  if (only === undefined || log === only) reading.count++;
}

export interface SoakReport {
  problems: string[];
  /** Of those that read: how many messages each has. */
  counts: number[];
  /** How the server ended the stalled ones; 0 for those that are still open. */
  stalledCodes: number[];
}

interface ReportInput {
  /** How many messages all readers together are to have. */
  expected: number;
  waitMs: number;
}

/** Waits until the readers have what was stored, or it has taken too long; then lets go of all. */
export async function soakReport({ expected, waitMs }: ReportInput): Promise<SoakReport> {
  const reading = [...readings.values()].filter(({ isStalled }) => !isStalled);
  const startedAt = performance.now();
  const total = (): number => reading.reduce((sum, { count }) => sum + count, 0);
  while (total() < expected && performance.now() - startedAt < waitMs) await pause(20);
  const stalled = [...readings.values()].filter(({ isStalled }) => isStalled);
  const stalledCodes = await Promise.all(stalled.map(({ reader }) => endOf(reader)));
  for (const { reader } of readings.values()) reader[Symbol.dispose]();
  readings.clear();
  return { problems: problems.splice(0), counts: reading.map(({ count }) => count), stalledCodes };
}

/** What a stalled one finds when it reads again: what had been sent to it, and how it was ended. */
async function endOf(reader: WsReader): Promise<number> {
  reader.socket.resume();
  return Promise.race([reader.closed, pause(2_000, 0)]);
}

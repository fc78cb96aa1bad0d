/** The numbers (counters) of this device's messages in each conversation. None is ever given twice. */
import * as z from "zod/mini";
import { type Reader, defineRecord } from "../storage/records.ts";
import type { StoreWrite } from "../storage/store.ts";
import { parseHeader } from "./open-message.ts";
import type { Outgoing, Sealed } from "./sent-message.ts";

/** The last number taken in a conversation. */
const counterRecord = defineRecord("counter", z.number());
/** Numbers of a conversation that the server has refused, of which no message that it took has told yet. */
const refusedRecord = defineRecord("refused", z.array(z.number()));
/** That are told at most: others are missed, as they would be without. */
const maxRefused = 256;

/** What a message is sealed with. */
export interface SendingNumbers {
  counter: number;
  /** Which the readers need not miss. */
  refused: number[];
  /** To be committed with what is sealed. */
  writes: StoreWrite[];
}

/** A message keeps its number however often it is sealed. */
export async function takeNumbers(
  store: Reader,
  conversationId: string,
  present: number | null,
): Promise<SendingNumbers> {
  const last = (await counterRecord.get(store, conversationId)) ?? 0;
  const counter = present ?? last + 1;
  const known = (await refusedRecord.get(store, conversationId)) ?? [];
  const refused = known.filter((one) => one < counter);
  return { counter, refused, writes: present === null ? [counterRecord.put([conversationId], counter)] : [] };
}

/** As far as this device can know, nothing was stored under a message's number. */
export function refusedWrites(store: Reader, { counter, sealed }: Outgoing): Promise<StoreWrite[]> {
  return sealed && counter !== null
    ? changeRefused(store, sealed.conversationId, { add: [counter], remove: [] })
    : Promise.resolve([]);
}

/**
 * The server says that it has stored a message in this form: its number is not refused. Another one that it was given
 * meanwhile is, and what it told of others in that form is told.
 */
export async function storedWrites(store: Reader, message: Outgoing, stored: Sealed): Promise<StoreWrite[]> {
  const header = parseHeader(stored.body);
  if (typeof header !== "object") return [];
  const { conversationId, counter } = header;
  const isAsLastSealed = message.counter === null || message.counter === counter;
  return changeRefused(store, conversationId, {
    add: isAsLastSealed ? [] : [message.counter as number],
    remove: [counter, ...(isAsLastSealed ? message.refused : [])],
  });
}

async function changeRefused(
  store: Reader,
  conversationId: string,
  { add, remove }: { add: number[]; remove: number[] },
): Promise<StoreWrite[]> {
  const known = (await refusedRecord.get(store, conversationId)) ?? [];
  if (known.length === 0 && add.length === 0) return [];
  const refused = [...new Set([...known, ...add])].filter((one) => !remove.includes(one));
  return refused.length === 0
    ? [refusedRecord.remove(conversationId)]
    : [refusedRecord.put([conversationId], refused.slice(-maxRefused))];
}

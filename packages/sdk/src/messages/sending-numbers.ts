/** The numbers (counters) of this device's messages in each conversation. None is ever given twice. */
import * as z from "zod/mini";
import { replayWindowSize } from "../crypto/replay-window.ts";
import { SottoError } from "../errors.ts";
import { type Reader, defineRecord } from "../storage/records.ts";
import type { StoreWrite } from "../storage/store.ts";
import { parseHeader } from "./open-message.ts";
import type { Outgoing, Sealed } from "./sent-message.ts";

/** The last number taken in a conversation. */
const counterRecord = defineRecord("counter", z.number());
/**
 * Numbers of a conversation that the server has refused, the newest at the end. Every message tells those that can be
 * missed yet: a device may not get the first one that tells.
 */
const refusedRecord = defineRecord("refused", z.array(z.number()));

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
  const refused = known.filter((one) => one < counter && one > counter - replayWindowSize);
  return { counter, refused, writes: present === null ? [counterRecord.put([conversationId], counter)] : [] };
}

/** As far as this device can know, nothing was stored under a message's number. */
export function refusedWrites(store: Reader, { counter, sealed }: Outgoing): Promise<StoreWrite[]> {
  return sealed && counter !== null
    ? changeRefused(store, sealed.conversationId, { add: [counter], remove: [] })
    : Promise.resolve([]);
}

/** In which of its forms a message stands in the log, by the counter that the entry's header has. */
export function findForm({ sealed, refusedForm }: Outgoing, counter: number): Sealed | undefined {
  const forms = [sealed, refusedForm].filter((form) => form !== null);
  return forms.find((form) => numberOf(form).counter === counter) ?? forms[0];
}

interface Numbered {
  conversationId: string;
  counter: number;
}

/**
 * The server says that it has stored a message under this number: it is not refused. Another one that the message was
 * given meanwhile is, where this device knows that it has sent it under both: what the server says of a number alone
 * excuses no other one.
 */
export async function storedWrites(
  store: Reader,
  { counter, refusedForm }: Outgoing,
  stored: Numbered,
): Promise<StoreWrite[]> {
  const isFirst = refusedForm !== null && numberOf(refusedForm).counter === stored.counter;
  return changeRefused(store, stored.conversationId, {
    add: isFirst && counter !== null && counter !== stored.counter ? [counter] : [],
    remove: [stored.counter],
  });
}

/** What this device has sealed is well formed. */
export function numberOf({ body, conversationId }: Sealed): Numbered {
  const header = parseHeader(body);
  if (typeof header !== "object") throw new SottoError("STORE_DAMAGED");
  return { conversationId, counter: header.counter };
}

async function changeRefused(
  store: Reader,
  conversationId: string,
  { add, remove }: { add: number[]; remove: number[] },
): Promise<StoreWrite[]> {
  const known = (await refusedRecord.get(store, conversationId)) ?? [];
  if (add.length === 0 && !remove.some((one) => known.includes(one))) return [];
  const refused = [...new Set([...known, ...add])].filter((one) => !remove.includes(one));
  return [refusedRecord.put([conversationId], refused.slice(-replayWindowSize))];
}

import * as z from "zod/mini";
import { inboxRecord, leavingInbox } from "../messages/inbox.ts";
import { SottoError } from "../errors.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store, StoreWrite } from "../storage/store.ts";
import type { InboxReading } from "../tabs.ts";
import { turnsOf } from "../turns.ts";

/** Up to where some tab has consumed. */
const consumedRecord = defineRecord("inbox-consumed", z.number());
/** Where each tab that is reading has got to. */
const readerRecord = defineRecord("inbox-reader", z.number());

interface ReadingTab {
  /** This tab's, another one after it was deposed. */
  id(): string;
  listIds(): Promise<string[]>;
  /** Waits until a tab that was deposed has joined anew. */
  rejoin(): Promise<void>;
}

/** Each tab's iteration gets every message from its beginning on; a new one begins behind what any of them has consumed. */
export function readInbox(store: Store, tab: ReadingTab): InboxReading {
  const turns = turnsOf(store, "store");
  const getConsumed = async (): Promise<number> => (await consumedRecord.get(store)) ?? 0;

  /** Forgets what every reader has. `own`: where this tab is; undefined: it reads no longer. */
  const moveTo = (own: number | undefined): Promise<void> =>
    turns.run(async () => {
      const consumed = Math.max(await getConsumed(), own ?? 0);
      const [readers, alive] = [await readerRecord.list(store), await tab.listIds()];
      const others = readers.filter(({ path: [id = ""] }) => id !== tab.id());
      const [living, dead] = [true, false].map((isAlive) =>
        others.filter(({ path: [id = ""] }) => alive.includes(id) === isAlive),
      );
      const through = Math.min(own ?? consumed, ...(living ?? []).map(({ value }) => value));
      await store.commit([
        consumedRecord.put([], consumed),
        own === undefined ? readerRecord.remove(tab.id()) : readerRecord.put([tab.id()], own),
        ...(dead ?? []).map(({ path: [id = ""] }) => readerRecord.remove(id)),
        ...(await forgottenThrough(store, through)),
      ]);
    });

  return {
    consumedThrough: getConsumed,
    isOpen: async () => {
      const [readers, alive] = [await readerRecord.list(store), await tab.listIds()];
      return readers.some(({ path: [id = ""] }) => alive.includes(id));
    },
    begin: async () => {
      const consumed = await getConsumed();
      await moveTo(consumed);
      return consumed;
    },
    consume: async (seq) => {
      try {
        await moveTo(seq);
      } catch (error) {
        if (!(error instanceof SottoError) || error.code !== "STORE_LOCKED") throw error;
        await tab.rejoin();
        await moveTo(seq);
      }
    },
    // Whoever closes the store, or has lost it, is no reader any more.
    end: () => moveTo(undefined).catch(() => {}),
  };
}

/** One message at a time leaves as a rule: the others are not read for that. */
async function forgottenThrough(store: Store, through: number): Promise<StoreWrite[]> {
  const writes: StoreWrite[] = [];
  for (let after = 0; after < through;) {
    const [next] = await inboxRecord.list(store, [], { after: [after], limit: 1 });
    after = Number(next?.path[0] ?? Infinity);
    if (next && after <= through) writes.push(...leavingInbox(after, next.value));
  }
  return writes;
}

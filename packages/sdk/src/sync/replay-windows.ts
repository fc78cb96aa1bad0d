import * as z from "zod/mini";
import { type ReplayWindow, acceptCounter } from "../crypto/replay-window.ts";
import { bytes } from "../storage/bytes.ts";
import { defineRecord } from "../storage/records.ts";
import type { Store, StoreWrite } from "../storage/store.ts";

/** Counters seen, by conversation, user and device. */
const replayRecord = defineRecord(
  "replay",
  z.object({ first: z.number(), highest: z.number(), seen: bytes }),
);

/** The replay windows that a batch moves, until they are committed with it. */
export class ReplayWindows {
  readonly #store: Store;
  readonly #moved = new Map<string, { sender: string[]; window: ReplayWindow }>();

  constructor(store: Store) {
    this.#store = store;
  }

  async accept(
    sender: string[],
    { counter }: { counter: number },
  ): Promise<"fresh" | "replayed" | "too_old"> {
    const key = sender.join("/");
    const window = this.#moved.get(key)?.window ?? (await replayRecord.get(this.#store, ...sender));
    const accepted = acceptCounter(window, counter);
    if (accepted.verdict === "fresh") this.#moved.set(key, { sender, window: accepted.window });
    return accepted.verdict;
  }

  writes(): StoreWrite[] {
    return [...this.#moved.values()].map(({ sender, window }) => replayRecord.put(sender, window));
  }
}

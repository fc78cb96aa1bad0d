import { type Entry, type Event, type SyncEvent, entry, event, syncEvent } from "@sotto/schema";
import * as z from "zod/mini";

/** An entry whose event may be of a kind that this version does not know: its number counts all the same. */
export type SyncEntry = Omit<Entry, "event"> & { event: Event | undefined };

const anyEntry = z.extend(entry, { event: z.unknown() });
const filled = z.object({ entries: z.array(anyEntry) });

function toEntry({ event: content, ...numbered }: z.output<typeof anyEntry>): SyncEntry {
  const known = event.safeParse(content);
  return { ...numbered, event: known.success ? known.data : undefined };
}

type StreamEvent = Exclude<SyncEvent, { type: "entry" }> | { type: "entry"; entry: SyncEntry };

/** One event of the stream; undefined for one of a kind that this version does not know. */
export function parseStreamEvent(value: unknown): StreamEvent | undefined {
  const known = syncEvent.safeParse(value);
  if (known.success && known.data.type !== "entry") return known.data;
  const numbered = anyEntry.safeParse(value);
  return numbered.success ? { type: "entry", entry: toEntry(numbered.data) } : undefined;
}

/** The answer of `sync.fill`. Throws `ZodError`. */
export function parseFilled(value: unknown): SyncEntry[] {
  return filled.parse(value).entries.map(toEntry);
}

import * as z from "zod/mini";
import { entry, syncEvent } from "../events.ts";
import { logId, seq } from "../primitives.ts";

/** Most entries that one `sync.fill` gives. */
export const maxFillEntries = 200;

/** Streams the device's logs from its positions, then live; see `events.ts`. */
export const subscribe = { input: z.object({}), output: syncEvent };

export const ack = {
  input: z.object({
    /** Positions that the device's own store has committed. A position never moves back. */
    positions: z.array(z.object({ log: logId, seq })).check(z.minLength(1), z.maxLength(200)),
  }),
};

/** Entries `fromSeq` to `toSeq`, both included, that the caller may see; for a hole in a live stream. */
export const fill = {
  input: z.object({ log: logId, fromSeq: seq.check(z.minimum(1)), toSeq: seq.check(z.minimum(1)) }),
  output: z.object({ entries: z.array(entry).check(z.maxLength(maxFillEntries)) }),
};

export const logAnswer = z.object({
  /** What the caller may see begins above this number. */
  startSeq: seq,
  /** What this device has acknowledged, or where it began: what is above comes by `subscribe`. */
  position: seq,
  /** The newest entry that the caller may see. */
  lastSeq: seq,
});
/** How far one log reaches, for a client that wants what is older than what it has. */
export const log = {
  input: z.object({ log: logId }),
  output: logAnswer,
};

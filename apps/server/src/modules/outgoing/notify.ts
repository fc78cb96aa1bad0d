import type { Redis } from "ioredis";
import type { Config } from "../../config.ts";
import type { Log } from "../../log.ts";
import type { OutgoingEvent } from "./events.ts";

/** Tells of events after their commit, at most once. */
export type Notify = (events: readonly OutgoingEvent[]) => void;

/** `NOTIFY_MODE`: a line of the log for each event, or `{"event","data"}` on a channel of Redis. */
export function createNotify(config: Config, options: { log: Log; redis: Redis | undefined }): Notify {
  const { log, redis } = options;
  if (config.NOTIFY_MODE === "log" || !redis) {
    // Events hold ids alone, so that there is nothing to redact, which would cost more than all else of a line.
    const plain = log.child({}, { redact: [] });
    return (events) => {
      for (const { name, data } of events) plain.info({ event: name, data }, "event");
    };
  }
  return (events) => {
    for (const { name, data } of events) {
      redis
        .publish(config.NOTIFY_REDIS_CHANNEL, JSON.stringify({ event: name, data }))
        .catch((error: unknown) => log.warn({ err: error, event: name }, "an event did not reach Redis"));
    }
  };
}

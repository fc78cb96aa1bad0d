import type { App } from "../app.ts";
import type { Wake } from "../bus/bus.ts";
import type { Tx } from "../db/db.ts";
import { AppError } from "../errors.ts";
import type { OutgoingEvent } from "../modules/outgoing/events.ts";
import type { Call, Caller } from "./call.ts";
import { findKey, insertKey, storeAnswer } from "./idempotency.queries.ts";

/** What is to be told once a transaction has committed, and only then. */
export type Wakes = Wake[];

/** Whether the call's `Idempotency-Key` has been used: then `transact` gives what was answered, or refuses. */
export async function isRepeated(call: Call): Promise<boolean> {
  const { idempotency } = call;
  return idempotency !== undefined && !!(await findKey(call.app.db, call.caller.userId, idempotency.key));
}

/**
 * Runs `work` in a transaction and publishes its wakes after the commit. With an `Idempotency-Key`
 * the answer is stored in the same transaction, and given again to whoever repeats the request:
 * the key's row is taken first, so that of two equal requests the second waits for the first.
 */
export async function transact<T extends object>(
  call: Call<Caller | null>,
  work: (tx: Tx, wakes: Wakes) => Promise<T>,
): Promise<T> {
  const wakes: Wakes = [];
  let events: OutgoingEvent[] = [];
  const result = await call.app.db.transaction().execute(async (tx) => {
    const answer = await runOnce(call, tx, (inner) => work(inner, wakes));
    events = await call.app.outgoing.store(tx, wakes);
    return answer;
  });
  announce(call.app, wakes, events);
  return result;
}

/** Tells of what was committed. */
export function announce(app: App, wakes: readonly Wake[], events: readonly OutgoingEvent[]): void {
  for (const wake of wakes) {
    if (wake.kind === "entry" && wake.entry.body.type === "message.created") app.metrics.messages.inc();
    app.bus.publish(wake);
  }
  app.outgoing.publish(events);
}

async function runOnce<T extends object>(
  call: Call<Caller | null>,
  tx: Tx,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  if (!call.idempotency || !call.caller) return work(tx);
  const { userId } = call.caller;
  const { key } = call.idempotency;
  const requestHash = call.idempotency.hashRequest();
  if (await insertKey(tx, { userId, key, requestHash, at: call.app.now() })) {
    const response = await work(tx);
    await storeAnswer(tx, { userId, key, response });
    return response;
  }
  const stored = await findKey(tx, userId, key);
  if (!stored?.response || !stored.request_hash.equals(requestHash)) {
    throw new AppError("IDEMPOTENCY_KEY_REUSED");
  }
  // The hash says that it is the same request, so what was stored is an answer of this type.
  return stored.response as T;
}

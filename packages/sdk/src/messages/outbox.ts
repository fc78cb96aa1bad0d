import { v7 as uuidv7 } from "uuid";
import { retrying } from "../api/retry.ts";
import { toSottoError } from "../api/to-sotto-error.ts";
import { EnvelopeError } from "../crypto/errors.ts";
import { type Payload, encodePayload } from "../crypto/payload.ts";
import { type AnySottoError, SottoError, invalidInput, isAuthError } from "../errors.ts";
import type { Session } from "../session.ts";
import { deliverOutgoing } from "./deliver-outgoing.ts";
import { type Destination, laneKey } from "./destination.ts";
import { OutgoingQueue } from "./outgoing-queue.ts";
import type { SentMessage } from "./sent-message.ts";
import { tellOwn } from "./tell-own.ts";

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** After a day without the server, `send` is rejected. */
const retryForMs = 86_400_000;

export interface SendOptions {
  /** A new lower-case UUID. Sending again with the same id and content never makes a second message. */
  clientMessageId?: string | undefined;
  /** Gives up: the message may or may not have been sent; sending again with its id makes sure. */
  signal?: AbortSignal | undefined;
}

interface Waiter extends PromiseWithResolvers<SentMessage> {
  signal: AbortSignal | undefined;
}

interface Lane {
  to: Destination;
  /** Something was added since the queue was last looked at. */
  hasMore: boolean;
  done: Promise<void>;
}

/**
 * Sends messages exactly once and in order in each conversation, across lost answers, restarts and changing device
 * lists. What is sent, and what it says, is in the store before the network sees it.
 */
export class Outbox {
  readonly #session: Session;
  readonly #queue: OutgoingQueue;
  readonly #closing = new AbortController();
  readonly #waiters = new Map<string, Waiter>();
  /** The lanes that are being worked on. */
  readonly #lanes = new Map<string, Lane>();
  /** What earlier runs left of files. */
  #filesDone: Promise<void> = Promise.resolve();

  constructor(session: Session) {
    this.#session = session;
    this.#queue = new OutgoingQueue(session.store, session.turns);
  }

  /** Resolves once the server has stored the message. */
  async send(to: Destination, payload: Payload, options: SendOptions = {}): Promise<SentMessage> {
    const { clientMessageId = uuidv7(), signal } = options;
    if (!uuid.test(clientMessageId)) throw invalidInput("clientMessageId");
    requireEncodable(payload);
    if (signal?.aborted) throw toSottoError(signal.reason, signal);
    const delivered = await this.#queue.add(clientMessageId, { destination: to, payload });
    if (delivered) return delivered;
    if (this.#closing.signal.aborted) throw new SottoError("CLOSED");
    this.#tell(clientMessageId, to, { state: "queued" });
    const waiting = this.#waitFor(clientMessageId, signal);
    this.#run(to);
    return waiting;
  }

  /** Sends a failed message once more, with the bytes that it has. Throws `MESSAGE_NOT_FOUND` unless it has failed. */
  async retry(
    clientMessageId: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<SentMessage> {
    const message = await this.#queue.requeue(clientMessageId);
    if (!message) throw new SottoError("MESSAGE_NOT_FOUND");
    this.#tell(clientMessageId, message.destination, { state: "queued" });
    const waiting = this.#waitFor(clientMessageId, signal);
    this.#run(message.destination);
    return waiting;
  }

  /**
   * Forgets a message that has not been sent: its `send` is rejected with `ABORTED`. False: it may have reached the
   * server, or is not known.
   */
  async cancel(clientMessageId: string): Promise<boolean> {
    const message = await this.#queue.cancel(clientMessageId);
    if (!message) return false;
    this.#waiters.get(clientMessageId)?.reject(new SottoError("ABORTED"));
    this.#waiters.delete(clientMessageId);
    this.#tell(clientMessageId, message.destination, { state: "cancelled" });
    if (message.payload.kind === "file") {
      await this.#session.files.takeBack(this.#session, clientMessageId, message.payload);
    }
    return true;
  }

  /** Goes on with what an earlier run left unsent. */
  async resume(): Promise<void> {
    const { files } = this.#session;
    this.#filesDone = files.resume(this.#session, this.#closing.signal).catch(() => {});
    for (const to of await this.#queue.listLanes()) this.#run(to);
  }

  /** What is queued stays in the store, and goes on at the next start. */
  async close(): Promise<void> {
    const error = new SottoError("CLOSED");
    this.#closing.abort(error);
    this.#rejectAll(error);
    // What is just being queued is in the store before that is closed.
    await this.#session.turns.run(async () => {});
    await Promise.all([this.#filesDone, ...[...this.#lanes.values()].map(({ done }) => done)]);
  }

  #rejectAll(error: unknown): void {
    for (const waiter of this.#waiters.values()) waiter.reject(error);
    this.#waiters.clear();
  }

  async #waitFor(clientMessageId: string, signal: AbortSignal | undefined): Promise<SentMessage> {
    const present = this.#waiters.get(clientMessageId);
    const isUsable = present !== undefined && !present.signal?.aborted;
    const waiter = isUsable ? present : { ...Promise.withResolvers<SentMessage>(), signal };
    this.#waiters.set(clientMessageId, waiter);
    waiter.promise.catch(() => {});
    if (!signal) return waiter.promise;
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(toSottoError(signal.reason, signal));
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    try {
      return await Promise.race([waiter.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #run(to: Destination): void {
    const key = laneKey(to).join("/");
    const running = this.#lanes.get(key);
    if (running) {
      running.hasMore = true;
      return;
    }
    const lane: Lane = { to, hasMore: true, done: Promise.resolve() };
    this.#lanes.set(key, lane);
    lane.done = this.#work(key, lane);
  }

  async #work(key: string, lane: Lane): Promise<void> {
    try {
      while (lane.hasMore && !this.#closing.signal.aborted) {
        lane.hasMore = false;
        const next = await this.#queue.findNext(laneKey(lane.to));
        if (next === undefined) continue;
        await this.#deliver(lane.to, next);
        lane.hasMore = true;
      }
    } catch (error) {
      // The session has ended, or the store broke: what is queued waits for the next `send` or start.
      this.#rejectAll(error);
    } finally {
      this.#lanes.delete(key);
    }
  }

  /** Throws what keeps the whole queue waiting. */
  async #deliver(to: Destination, clientMessageId: string): Promise<void> {
    const waiter = this.#waiters.get(clientMessageId);
    const closing = this.#closing.signal;
    const signal = waiter?.signal ? AbortSignal.any([waiter.signal, closing]) : closing;
    const delivery = { session: this.#session, queue: this.#queue, clientMessageId, signal };
    try {
      const message = await retrying(() => deliverOutgoing(delivery), { signal, forMs: retryForMs });
      this.#waiters.get(clientMessageId)?.resolve(message);
      this.#waiters.delete(clientMessageId);
      this.#tell(clientMessageId, to, { state: "sent", message });
    } catch (error) {
      if (closing.aborted || isAuthError(error) || !(error instanceof SottoError)) throw error;
      // Somebody asked for it once more, when the first asker had given up; or it was cancelled.
      if (this.#waiters.get(clientMessageId) !== waiter) return;
      await this.#fail(to, clientMessageId, error);
    }
  }

  async #fail(to: Destination, clientMessageId: string, error: AnySottoError): Promise<void> {
    if (!(await this.#queue.fail(clientMessageId, error.code))) return;
    this.#waiters.get(clientMessageId)?.reject(error);
    this.#waiters.delete(clientMessageId);
    this.#tell(clientMessageId, to, { state: "failed", error });
  }

  #tell(
    clientMessageId: string,
    to: Destination,
    what:
      | { state: "queued" | "cancelled" }
      | { state: "sent"; message: SentMessage }
      | { state: "failed"; error: AnySottoError },
  ): void {
    const peerUserId = to.kind === "direct" ? to.peerUserId : null;
    const conversationId = to.kind === "group" ? to.conversationId : null;
    this.#session.events.emit("outbox", { peerUserId, conversationId, clientMessageId, ...what });
    // Read from the store as it is by then; a store that is closed meanwhile has nobody to tell.
    void tellOwn(this.#session, to, { clientMessageId, isNew: what.state === "queued" }).catch(() => {});
  }
}

function requireEncodable(payload: Payload): void {
  try {
    encodePayload(payload);
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    throw invalidInput(payload.kind === "text" ? "text" : "payload", error);
  }
}

import { v7 as uuidv7 } from "uuid";
import { retrying } from "../api/retry.ts";
import { EnvelopeError } from "../crypto/errors.ts";
import { type Payload, encodePayload } from "../crypto/payload.ts";
import {
  type AnySottoError,
  SottoError,
  abortOf,
  invalidInput,
  isAuthError,
  isStoreError,
  makeError,
  throwIfAborted,
} from "../errors.ts";
import type { OutboxEvent } from "../events.ts";
import type { Session } from "../session.ts";
import { toStoreError } from "../storage/store-error.ts";
import { deliverOutgoing } from "./deliver-outgoing.ts";
import { type Destination, destinationOf, laneKey } from "./destination.ts";
import { OutgoingQueue, findOutgoing } from "./outgoing-queue.ts";
import { type SentMessage, toSentMessage } from "./sent-message.ts";

/** A message that is in the store. */
export interface Queued {
  /** Resolves once the server has stored it. */
  sent: Promise<SentMessage>;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** After a day without the server, `send` is rejected. */
const retryForMs = 86_400_000;

/** How a message is sent. */
export interface SendOptions {
  /** A new lower-case UUID. Sending again with the same id and content never makes a second message. */
  clientMessageId?: string | undefined;
  /** Gives up: the message may or may not have been sent; sending again with its id makes sure. */
  signal?: AbortSignal | undefined;
}

interface Waiter extends PromiseWithResolvers<SentMessage> {
  lane: string;
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
  /** Something waits to be sent here, or does no longer. */
  readonly #onWaiting: () => void;
  #pausing = new AbortController();
  /** Among several tabs, one empties the queue. */
  #isActive: boolean;
  #isClosed = false;
  /** Tries that are under way, to be broken off. */
  readonly #tries = new Map<string, AbortController>();
  readonly #waiters = new Map<string, Waiter>();
  /** The lanes that are being worked on. */
  readonly #lanes = new Map<string, Lane>();
  /** What earlier runs left of files. */
  #filesDone: Promise<void> = Promise.resolve();

  constructor(session: Session, onWaiting: () => void) {
    this.#session = session;
    this.#onWaiting = onWaiting;
    this.#queue = new OutgoingQueue(session.store, session.turns);
    this.#isActive = session.store.tabs === undefined;
  }

  /** Somebody waits for what was sent here. */
  get isAwaited(): boolean {
    return this.#waiters.size > 0;
  }

  /** Resolves once the server has stored the message. */
  async send(to: Destination, payload: Payload, options: SendOptions = {}): Promise<SentMessage> {
    return (await this.#add(to, payload, options)).sent;
  }

  /** For what took its time until now: after `close`, which did not wait for it, nothing is queued any more. */
  async queue(to: Destination, payload: Payload, options: SendOptions = {}): Promise<Queued> {
    if (this.#isClosed) throw new SottoError("CLOSED");
    return this.#add(to, payload, options);
  }

  /** Throws only what keeps a message from the store. */
  async #add(to: Destination, payload: Payload, options: SendOptions): Promise<Queued> {
    const { clientMessageId = uuidv7(), signal } = options;
    requireMessageId(clientMessageId);
    requireEncodable(payload);
    throwIfAborted(signal);
    const delivered = await this.#queue.add(clientMessageId, { destination: to, payload });
    if (delivered) return { sent: Promise.resolve(delivered) };
    const sent = this.#isClosed
      ? Promise.reject(new SottoError("CLOSED"))
      : this.#queued(clientMessageId, to, signal);
    // Whoever waits for it is told, and may be late.
    sent.catch(() => {});
    return { sent };
  }

  #queued(clientMessageId: string, to: Destination, signal: AbortSignal | undefined): Promise<SentMessage> {
    const waiting = this.#waitFor(clientMessageId, nameOf(to), signal);
    this.#tell(clientMessageId, to, { state: "queued" });
    if (!this.#isActive) this.#onWaiting();
    return waiting;
  }

  /** Sends a failed message once more, with the bytes that it has unless they were refused. Throws `MESSAGE_NOT_FOUND` unless it has failed. */
  async retry(
    clientMessageId: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<SentMessage> {
    const message = await this.#queue.requeue(clientMessageId);
    if (!message) throw new SottoError("MESSAGE_NOT_FOUND");
    return this.#queued(clientMessageId, message.destination, signal);
  }

  /**
   * Forgets a message that has not been sent: its `send` is rejected with `ABORTED`. False: it may have reached the
   * server, or is not known. An abort ends only what the server is told of it.
   */
  async cancel(clientMessageId: string, signal?: AbortSignal): Promise<boolean> {
    throwIfAborted(signal);
    const message = await this.#queue.cancel(clientMessageId);
    if (!message) return false;
    this.#tell(clientMessageId, message.destination, { state: "cancelled" });
    if (message.payload.kind === "file") {
      await this.#session.files.takeBack(this.#session, { clientMessageId, file: message.payload, signal });
    }
    return true;
  }

  /** Goes on with what is unsent, whoever has queued it, until `pause`. */
  async resume(): Promise<void> {
    if (this.#isClosed) return;
    if (!this.#isActive || this.#pausing.signal.aborted) this.#pausing = new AbortController();
    this.#isActive = true;
    await this.#settleWaiters();
    const { files } = this.#session;
    const { signal } = this.#pausing;
    this.#filesDone = this.#filesDone.then(() => files.resume(this.#session, signal).catch(() => {}));
    for (const to of await this.#queue.listLanes()) this.#run(to);
  }

  /** Sends nothing more. What is queued stays so, and whoever waits for it goes on waiting. */
  async pause(): Promise<void> {
    this.#isActive = false;
    this.#pausing.abort(new SottoError("CLOSED"));
    await Promise.all([this.#filesDone, ...[...this.#lanes.values()].map(({ done }) => done)]);
  }

  /** Everything that is queued was sent, or cannot be now. */
  async untilIdle(): Promise<void> {
    while (this.#lanes.size > 0) await Promise.all([...this.#lanes.values()].map(({ done }) => done));
  }

  /** What is queued stays in the store, and goes on at the next start. */
  async close(error: AnySottoError = makeError("CLOSED")): Promise<void> {
    this.#isClosed = true;
    this.#rejectAll(error);
    // What is just being queued is in the store before that is closed.
    await this.#session.turns.run(async () => {});
    await this.pause();
  }

  /** What became of a message, here or by another tab. */
  hear(event: OutboxEvent): void {
    const { clientMessageId, peerUserId, conversationId } = event;
    if (event.state === "queued") {
      if (this.#isActive)
        this.#run(destinationOf(peerUserId ? ["direct", peerUserId] : ["group", conversationId ?? ""]));
      return;
    }
    const waiter = this.#waiters.get(clientMessageId);
    this.#waiters.delete(clientMessageId);
    if (event.state === "sent") waiter?.resolve(event.message);
    else waiter?.reject(event.state === "failed" ? event.error : new SottoError("ABORTED"));
    if (this.#waiters.size === 0) this.#onWaiting();
  }

  /** Breaks off the present try. */
  giveUp(clientMessageId: string): void {
    this.#tries.get(clientMessageId)?.abort(new SottoError("ABORTED"));
  }

  /**
   * Tells who waits for what is queued no longer: another tab may have sent it and died before it could tell, or its log
   * entry was faster than its answer. Of one lane alone where that is named.
   */
  async #settleWaiters(lane?: string): Promise<void> {
    for (const [clientMessageId, waiter] of this.#waiters) {
      if (lane !== undefined && waiter.lane !== lane) continue;
      const message = await findOutgoing(this.#session.store, clientMessageId);
      if (message?.delivered) waiter.resolve(toSentMessage(clientMessageId, message.delivered));
      else if (message?.state === "failed") waiter.reject(makeError(message.error ?? "ABORTED"));
      else if (message) continue;
      else waiter.reject(new SottoError("ABORTED"));
      this.#waiters.delete(clientMessageId);
    }
  }

  /** A new leader may have found nothing left to send: see what became of what is awaited here. */
  async heardLeader(): Promise<void> {
    await this.#settleWaiters();
    if (this.#waiters.size === 0) this.#onWaiting();
  }

  /** Of one lane alone where that is named. */
  #rejectAll(error: AnySottoError, lane?: string): void {
    for (const [clientMessageId, waiter] of this.#waiters) {
      if (lane !== undefined && waiter.lane !== lane) continue;
      waiter.reject(error);
      this.#waiters.delete(clientMessageId);
    }
  }

  async #waitFor(
    clientMessageId: string,
    lane: string,
    signal: AbortSignal | undefined,
  ): Promise<SentMessage> {
    const present = this.#waiters.get(clientMessageId);
    const isUsable = present !== undefined && !present.signal?.aborted;
    const waiter = isUsable ? present : { ...Promise.withResolvers<SentMessage>(), lane, signal };
    this.#waiters.set(clientMessageId, waiter);
    waiter.promise.catch(() => {});
    if (!signal) return waiter.promise;
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => {
      const reject = (): void => aborted.reject(abortOf(signal));
      // Sent from here, the try ends by itself; another tab is told. What waits for its turn is not to be sent later.
      const isOver = this.#isActive && (this.#tries.has(clientMessageId) || waiter.signal !== signal);
      if (isOver) reject();
      else void this.#abandon(clientMessageId).finally(reject);
    };
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    try {
      return await Promise.race([waiter.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** For what is not under way here. */
  async #abandon(clientMessageId: string): Promise<void> {
    const message = await this.#queue.fail(clientMessageId, "ABORTED").catch(() => undefined);
    void this.#session.tell({ type: "gave_up", clientMessageId });
    if (message)
      this.#tell(clientMessageId, message.destination, { state: "failed", error: makeError("ABORTED") });
  }

  #run(to: Destination): void {
    const key = nameOf(to);
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
      while (lane.hasMore && !this.#pausing.signal.aborted) {
        lane.hasMore = false;
        const next = await this.#queue.findNext(laneKey(lane.to));
        if (next === undefined) {
          await this.#settleWaiters(key);
          continue;
        }
        await this.#deliver(lane.to, next);
        lane.hasMore = true;
      }
    } catch (error) {
      // The session has ended, or the store broke: what is queued waits for the next `send` or start. Of a store that is
      // broken for all, each lane learns by itself.
      const lane = isAuthError(error) ? undefined : key;
      if (!this.#pausing.signal.aborted) this.#rejectAll(toStoreError(error), lane);
    } finally {
      this.#lanes.delete(key);
    }
  }

  /** Throws what keeps the whole queue waiting. Whatever else goes wrong is this message's alone. */
  async #deliver(to: Destination, clientMessageId: string): Promise<void> {
    const waiter = this.#waiters.get(clientMessageId);
    const pausing = this.#pausing.signal;
    const giving = new AbortController();
    this.#tries.set(clientMessageId, giving);
    const signals = [pausing, giving.signal, ...(waiter?.signal ? [waiter.signal] : [])];
    const signal = AbortSignal.any(signals);
    const delivery = { session: this.#session, queue: this.#queue, clientMessageId, signal };
    try {
      const message = await retrying(() => deliverOutgoing(delivery), { signal, forMs: retryForMs });
      this.#tell(clientMessageId, to, { state: "sent", message });
    } catch (error) {
      if (pausing.aborted || isAuthError(error) || isStoreError(error)) throw error;
      // Somebody asked for it once more, when the first asker had given up; or it was cancelled.
      if (this.#waiters.get(clientMessageId) !== waiter) return;
      await this.#fail(to, clientMessageId, toStoreError(error));
    } finally {
      this.#tries.delete(clientMessageId);
    }
  }

  async #fail(to: Destination, clientMessageId: string, error: AnySottoError): Promise<void> {
    const failed = await this.#queue.fail(clientMessageId, error.code);
    if (failed) this.#tell(clientMessageId, to, { state: "failed", error });
    else await this.#settleWaiters(nameOf(to));
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
    const event: OutboxEvent = { peerUserId, conversationId, clientMessageId, ...what };
    // A store that is closed meanwhile has nobody to tell.
    void this.#session.tell({ type: "own", to, event }).catch(() => {});
  }
}

const nameOf = (to: Destination): string => laneKey(to).join("/");

/** Throws `INVALID_INPUT`. */
export function requireMessageId(clientMessageId: string): void {
  if (!uuid.test(clientMessageId)) throw invalidInput("clientMessageId");
}

function requireEncodable(payload: Payload): void {
  try {
    encodePayload(payload);
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    throw invalidInput(payload.kind === "text" ? "text" : "payload", error);
  }
}

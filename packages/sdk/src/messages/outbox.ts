import { type UserId, userId } from "@sotto/schema";
import { v7 as uuidv7 } from "uuid";
import { retrying } from "../api/retry.ts";
import { toSottoError } from "../api/to-sotto-error.ts";
import { type AnySottoError, SottoError, invalidInput, isAuthError } from "../errors.ts";
import type { Session } from "../session.ts";
import { Turns } from "../turns.ts";
import { deliverOutgoing } from "./deliver-outgoing.ts";
import { OutgoingQueue } from "./outgoing-queue.ts";
import type { SentMessage } from "./sent-message.ts";

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** After a day without the server, `send` is rejected. */
const retryForMs = 86_400_000;

export interface SendOptions {
  /** A new lower-case UUID. Sending again with the same id and text never makes a second message. */
  clientMessageId?: string | undefined;
  /** Gives up: the message may or may not have been sent; sending again with its id makes sure. */
  signal?: AbortSignal | undefined;
}

interface Waiter extends PromiseWithResolvers<SentMessage> {
  signal: AbortSignal | undefined;
}

interface Lane {
  /** Something was added since the queue was last looked at. */
  hasMore: boolean;
  done: Promise<void>;
}

/** Sends messages exactly once and in order for each peer, across lost answers, restarts and changing device lists. */
export class Outbox {
  readonly #session: Session;
  readonly #queue: OutgoingQueue;
  readonly #closing = new AbortController();
  readonly #turns = new Turns();
  readonly #waiters = new Map<string, Waiter>();
  /** The peers whose queues are being worked on. */
  readonly #lanes = new Map<UserId, Lane>();

  constructor(session: Session) {
    this.#session = session;
    this.#queue = new OutgoingQueue(session.store);
  }

  /** Resolves once the server has stored the message. */
  async send(peerUserId: string, text: string, options: SendOptions = {}): Promise<SentMessage> {
    const { clientMessageId = uuidv7(), signal } = options;
    const peer = userId.safeParse(peerUserId);
    if (!peer.success) throw invalidInput("peerUserId", peer.error);
    if (!uuid.test(clientMessageId)) throw invalidInput("clientMessageId");
    if (!text.isWellFormed()) throw invalidInput("text");
    if (signal?.aborted) throw toSottoError(signal.reason, signal);
    const given = { peerUserId: peer.data, text, sentAtMs: this.#session.now() };
    const delivered = await this.#turns.run(() => this.#queue.add(clientMessageId, given));
    if (delivered) return delivered;
    if (this.#closing.signal.aborted) throw new SottoError("CLOSED");
    const waiting = this.#waitFor(clientMessageId, signal);
    this.#run(peer.data);
    return waiting;
  }

  /** Goes on with what an earlier run left unsent. */
  async resume(): Promise<void> {
    for (const peer of await this.#queue.listPeers()) this.#run(userId.parse(peer));
  }

  /** What is queued stays in the store, and goes on at the next start. */
  async close(): Promise<void> {
    const error = new SottoError("CLOSED");
    this.#closing.abort(error);
    this.#rejectAll(error);
    await Promise.all([...this.#lanes.values()].map(({ done }) => done));
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

  #run(peer: UserId): void {
    const running = this.#lanes.get(peer);
    if (running) {
      running.hasMore = true;
      return;
    }
    const lane: Lane = { hasMore: true, done: Promise.resolve() };
    this.#lanes.set(peer, lane);
    lane.done = this.#work(peer, lane);
  }

  async #work(peer: UserId, lane: Lane): Promise<void> {
    try {
      while (lane.hasMore && !this.#closing.signal.aborted) {
        lane.hasMore = false;
        const next = await this.#queue.findNext(peer);
        if (next === undefined) continue;
        await this.#deliver(peer, next);
        lane.hasMore = true;
      }
    } catch (error) {
      // The session has ended, or the store broke: what is queued waits for the next `send` or start.
      this.#rejectAll(error);
    } finally {
      this.#lanes.delete(peer);
    }
  }

  /** Throws what keeps the whole queue waiting. */
  async #deliver(peerUserId: UserId, clientMessageId: string): Promise<void> {
    const waiter = this.#waiters.get(clientMessageId);
    const closing = this.#closing.signal;
    const signal = waiter?.signal ? AbortSignal.any([waiter.signal, closing]) : closing;
    const delivery = { session: this.#session, queue: this.#queue, clientMessageId, signal };
    try {
      const message = await retrying(() => deliverOutgoing(delivery), { signal, forMs: retryForMs });
      this.#waiters.get(clientMessageId)?.resolve(message);
      this.#waiters.delete(clientMessageId);
      this.#session.events.emit("outbox", { peerUserId, clientMessageId, state: "delivered", message });
    } catch (error) {
      if (closing.aborted || isAuthError(error) || !(error instanceof SottoError)) throw error;
      // Somebody asked for it once more, when the first asker had given up.
      if (this.#waiters.get(clientMessageId) !== waiter) return;
      await this.#stop({ peerUserId, clientMessageId, error });
    }
  }

  async #stop(given: { peerUserId: UserId; clientMessageId: string; error: AnySottoError }): Promise<void> {
    const { clientMessageId, error } = given;
    const message = await this.#queue.get(clientMessageId);
    await this.#queue.close(clientMessageId, { ...message, state: "stopped" });
    this.#waiters.get(clientMessageId)?.reject(error);
    this.#waiters.delete(clientMessageId);
    this.#session.events.emit("outbox", { ...given, state: "stopped" });
  }
}

import type { Signal } from "@sotto/schema";
import { backoffMs, retrying } from "../api/retry.ts";
import { type AnySottoError, SottoError, isAuthError } from "../errors.ts";
import type { ClientStatus } from "../events.ts";
import type { Inbox } from "../messages/inbox.ts";
import type { Session } from "../session.ts";
import { toStoreError } from "../storage/store-error.ts";
import { applyBatch, loadPositions } from "./apply-batch.ts";
import { finalStatusOf, statusOf } from "./client-status.ts";
import { Connection } from "./connection.ts";
import type { ConnectionState } from "./connection-machine.ts";
import { healGaps } from "./heal-gap.ts";
import { sendAck } from "./send-ack.ts";
import { type SyncEntry, parseFilled, parseStreamEvent } from "./sync-event.ts";
import {
  type Batch,
  type Positions,
  type Range,
  type SyncEffect,
  type SyncInput,
  SyncMachine,
} from "./sync-machine.ts";

/** Acks of this time go in one call. */
const ackDelayMs = 50;
const lastAckWithinMs = 3_000;
/** A client that stays connected looks this often whether its keys are to be rotated. */
const rotationCheckMs = 3_600_000;

interface LiveStreamOptions {
  session: Session;
  inbox: Inbox;
  onStatus: (status: ClientStatus) => void;
}

/** One run of the live stream, from `start` to `stop` or a final end: performs what {@link SyncMachine} decides. */
export class LiveStream {
  readonly #options: LiveStreamOptions;
  readonly #machine: SyncMachine<SyncEntry>;
  readonly #connection: Connection;
  /** Online, or over. */
  #settled = Promise.withResolvers<void>();
  #isSettled = false;
  #failedAcks = 0;
  #ackTimer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> = Promise.resolve();
  #applying: Promise<void> = Promise.resolve();
  #acking: Promise<void> = Promise.resolve();

  private constructor(options: LiveStreamOptions, positions: Positions) {
    this.#options = options;
    this.#machine = new SyncMachine(positions);
    this.#connection = new Connection({
      session: options.session,
      onConnecting: () => this.#handle({ type: "connected" }),
      onEvent: (event) => this.#receive(event),
      onState: (state) => this.#follow(state),
    });
  }

  static async start(options: LiveStreamOptions): Promise<LiveStream> {
    const live = new LiveStream(options, await loadPositions(options.session.store));
    live.#running = live.#run();
    return live;
  }

  /** Ends the connection, lets a commit finish, and tells the server what was committed. */
  async stop(): Promise<void> {
    this.#connection.handle({ type: "ended", error: new SottoError("CLOSED") });
    await this.#running;
  }

  async #run(): Promise<void> {
    const { onStatus, session } = this.#options;
    const rotation = setInterval(() => {
      session.account.publish(session.api, this.#connection.signal).catch(() => {});
    }, rotationCheckMs);
    this.#connection.handle({ type: "started" });
    const error = await this.#connection.ended;
    clearInterval(rotation);
    await this.#windUp(error);
    onStatus(finalStatusOf(error));
  }

  async #windUp(reason: AnySottoError): Promise<void> {
    clearTimeout(this.#ackTimer);
    await Promise.allSettled([this.#applying, this.#acking]);
    clearTimeout(this.#ackTimer);
    const { unacked } = this.#machine;
    if (unacked.size === 0 || reason.code !== "CLOSED") return;
    // What is not told now comes again and is dropped.
    await sendAck(this.#options.session.api, unacked, AbortSignal.timeout(lastAckWithinMs)).catch(() => {});
  }

  /** The final status comes when everything has ended. */
  #follow(state: ConnectionState): void {
    const { onStatus, session } = this.#options;
    if (state.name !== "ended") onStatus(statusOf(state, session.now()));
    const isSettled = state.name === "online" || state.name === "ended";
    if (isSettled) this.#settled.resolve();
    else if (this.#isSettled) this.#settled = Promise.withResolvers();
    this.#isSettled = isSettled;
  }

  #receive(value: unknown): void {
    const event = parseStreamEvent(value, this.#options.session.me.userId);
    if (!event) return;
    if (event.type === "typing") this.#tellTyping(event);
    else this.#handle(event);
  }

  #tellTyping({ from, isTyping, conversationId }: Signal): void {
    const typing = { userId: from, isTyping, conversationId };
    void this.#options.session.tell({ type: "typing", typing });
  }

  #handle(input: SyncInput<SyncEntry>): void {
    for (const effect of this.#machine.handle(input)) this.#perform(effect);
  }

  #perform(effect: SyncEffect<SyncEntry>): void {
    switch (effect.type) {
      case "fill":
        void this.#fill(effect.range);
        return;
      case "apply":
        // The next start applies it: a batch that outlived this run would be applied by both.
        if (this.#connection.signal.aborted) return;
        this.#applying = this.#apply(effect.batch);
        return;
      case "schedule_ack":
        this.#scheduleAck();
        return;
      case "ack":
        this.#acking = this.#ack(effect.positions);
        return;
      case "caught_up":
        this.#connection.handle({ type: "caught_up" });
        // What fails is done again when the next connection has caught up.
        healGaps(this.#options.session, this.#connection.signal).catch(() => {});
    }
  }

  async #fill(range: Range): Promise<void> {
    const { api, me } = this.#options.session;
    try {
      const answer: unknown = await api.call(
        (server, options) => server.sync.fill.query(range, options),
        this.#connection.signal,
      );
      this.#handle({ type: "filled", range, entries: parseFilled(answer, me.userId) });
    } catch (error) {
      const isGone = error instanceof SottoError && error.code === "LOG_NOT_FOUND";
      if (isGone) this.#handle({ type: "filled", range, entries: [] });
      // The next connection brings everything above the acknowledged position.
      else if (this.#machine.isWaitingFor(range)) this.#connection.reconnect();
    }
  }

  async #apply(batch: Batch<SyncEntry>): Promise<void> {
    const { session, inbox } = this.#options;
    const { signal } = this.#connection;
    try {
      await retrying(() => applyBatch(batch, { session, inbox, signal }), { signal });
      this.#connection.handle({ type: "progressed" });
      this.#handle({ type: "applied" });
    } catch (error) {
      if (signal.aborted) return;
      if (isAuthError(error)) await this.#applyWithGoodToken(batch);
      // Nothing after this may be applied.
      else this.#connection.handle({ type: "ended", error: toStoreError(error) });
    }
  }

  /** If there is one: otherwise the check ends everything. */
  async #applyWithGoodToken(batch: Batch<SyncEntry>): Promise<void> {
    this.#connection.handle({ type: "token_refused" });
    await this.#settled.promise;
    if (!this.#connection.signal.aborted) await this.#apply(batch);
  }

  #scheduleAck(): void {
    const pauseMs = this.#failedAcks === 0 ? ackDelayMs : ackDelayMs + backoffMs(this.#failedAcks);
    this.#ackTimer = setTimeout(() => this.#handle({ type: "ack_due" }), pauseMs);
  }

  async #ack(positions: Positions): Promise<void> {
    try {
      await sendAck(this.#options.session.api, positions, this.#connection.signal);
      this.#failedAcks = 0;
      this.#handle({ type: "acked" });
    } catch {
      this.#failedAcks++;
      this.#handle({ type: "ack_failed" });
    }
  }
}

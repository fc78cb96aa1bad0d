import type { Signal } from "@sotto/schema";
import { backoffMs, retrying, sleep } from "../api/retry.ts";
import { type Stream, type StreamEnd, openStream } from "../api/stream.ts";
import { toSottoError } from "../api/to-sotto-error.ts";
import { type AnySottoError, SottoError, isAuthError, makeError } from "../errors.ts";
import type { ClientStatus } from "../events.ts";
import type { OwnIdentity } from "../identity/own-identity.ts";
import type { Inbox } from "../messages/inbox.ts";
import type { Session } from "../session.ts";
import { applyBatch, loadPositions } from "./apply-batch.ts";
import { sendAck } from "./send-ack.ts";
import { finalErrorOf, finalStateOf } from "./stream-end.ts";
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

const authGraceMs = 1_000;

interface LiveStreamOptions {
  session: Session;
  inbox: Inbox;
  onStatus: (status: ClientStatus) => void;
}

/** One run of the live stream, from `start` to `stop` or a final end: performs what {@link SyncMachine} decides. */
export class LiveStream {
  readonly #options: LiveStreamOptions;
  readonly #machine: SyncMachine<SyncEntry>;
  readonly #stopping = new AbortController();
  #stream: Stream | undefined;
  #attempt = 0;
  #failedAcks = 0;
  #ackTimer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> = Promise.resolve();
  #applying: Promise<void> = Promise.resolve();
  #acking: Promise<void> = Promise.resolve();

  private constructor(options: LiveStreamOptions, positions: Positions) {
    this.#options = options;
    this.#machine = new SyncMachine(positions);
  }

  static async start(options: LiveStreamOptions): Promise<LiveStream> {
    const live = new LiveStream(options, await loadPositions(options.session.store));
    live.#running = live.#run();
    return live;
  }

  /** Ends the connection, lets a commit finish, and tells the server what was committed. */
  async stop(): Promise<void> {
    this.#stopping.abort(new SottoError("CLOSED"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { inbox, onStatus, session } = this.#options;
    const rotation = setInterval(() => {
      session.account.publish(session.api, this.#stopping.signal).catch(() => {});
    }, rotationCheckMs);
    try {
      await this.#connectUntilFinal();
    } catch (thrown) {
      const error = this.#stopping.signal.aborted
        ? toSottoError(this.#stopping.signal.reason)
        : toSottoError(thrown);
      await this.#windUp(error);
      const isStopped = error.code === "CLOSED";
      if (!isStopped) inbox.fail(error);
      onStatus({ state: finalStateOf(error), isCaughtUp: false, ...(isStopped ? {} : { error }) });
    } finally {
      clearInterval(rotation);
    }
  }

  async #windUp(reason: AnySottoError): Promise<void> {
    this.#stopping.abort(reason);
    clearTimeout(this.#ackTimer);
    await this.#stream?.close();
    await Promise.allSettled([this.#applying, this.#acking]);
    clearTimeout(this.#ackTimer);
    const { unacked } = this.#machine;
    if (unacked.size === 0 || reason.code !== "CLOSED") return;
    // What is not told now comes again and is dropped.
    await sendAck(this.#options.session.api, unacked, AbortSignal.timeout(lastAckWithinMs)).catch(() => {});
  }

  /** Never resolves: it ends by throwing. */
  async #connectUntilFinal(): Promise<never> {
    const { signal } = this.#stopping;
    for (;;) {
      this.#options.onStatus({ state: "connecting", isCaughtUp: false });
      const error = finalErrorOf(await this.#connect(signal));
      if (signal.aborted) throw toSottoError(signal.reason, signal);
      if (error) throw error;
      this.#options.onStatus({ state: "offline", isCaughtUp: false });
      await sleep(backoffMs(this.#attempt++), signal);
    }
  }

  async #connect(signal: AbortSignal): Promise<StreamEnd> {
    const { account, api, identity, url } = this.#options.session;
    try {
      await account.publish(api, signal);
      await checkIdentity(identity, signal);
    } catch (error) {
      return { error: toSottoError(error, signal) };
    }
    this.#handle({ type: "connected" });
    const stream = openStream({
      url,
      token: account.token ?? "",
      onOpen: () => this.#options.onStatus({ state: "online", isCaughtUp: false }),
      onEvent: (event) => this.#receive(event, stream),
    });
    this.#stream = stream;
    const onAbort = (): void => void stream.close();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await stream.ended;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #receive(value: unknown, from: Stream): void {
    const event = parseStreamEvent(value);
    if (!event || from !== this.#stream || this.#stopping.signal.aborted) return;
    if (event.type === "typing") this.#tellTyping(event);
    else this.#handle(event);
  }

  #tellTyping({ from, isTyping, conversationId }: Signal): void {
    this.#options.session.events.emit("typing", { userId: from, isTyping, conversationId });
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
        if (this.#stopping.signal.aborted) return;
        this.#applying = this.#apply(effect.batch);
        return;
      case "schedule_ack":
        this.#scheduleAck();
        return;
      case "ack":
        this.#acking = this.#ack(effect.positions);
        return;
      case "caught_up":
        this.#attempt = 0;
        this.#options.onStatus({ state: "online", isCaughtUp: true });
    }
  }

  async #fill(range: Range): Promise<void> {
    const { api } = this.#options.session;
    const stream = this.#stream;
    try {
      const answer: unknown = await api.call(
        (server, options) => server.sync.fill.query(range, options),
        this.#stopping.signal,
      );
      this.#handle({ type: "filled", range, entries: parseFilled(answer) });
    } catch (error) {
      const isGone = error instanceof SottoError && error.code === "LOG_NOT_FOUND";
      if (isGone) this.#handle({ type: "filled", range, entries: [] });
      // The next connection brings everything above the acknowledged position.
      else await stream?.close();
    }
  }

  async #apply(batch: Batch<SyncEntry>): Promise<void> {
    const { session, inbox } = this.#options;
    const { signal } = this.#stopping;
    try {
      await retrying(() => applyBatch(batch, { session, inbox, signal }), { signal });
      this.#attempt = 0;
      this.#handle({ type: "applied" });
    } catch (error) {
      // The server closes the socket of a token that has ended, with a code that says why.
      if (isAuthError(error)) setTimeout(() => void this.#stream?.close(), authGraceMs);
      // Nothing after this may be applied.
      else this.#stopping.abort(asStoreError(error));
    }
  }

  #scheduleAck(): void {
    const pauseMs = this.#failedAcks === 0 ? ackDelayMs : ackDelayMs + backoffMs(this.#failedAcks);
    this.#ackTimer = setTimeout(() => this.#handle({ type: "ack_due" }), pauseMs);
  }

  async #ack(positions: Positions): Promise<void> {
    try {
      await sendAck(this.#options.session.api, positions, this.#stopping.signal);
      this.#failedAcks = 0;
      this.#handle({ type: "acked" });
    } catch {
      this.#failedAcks++;
      this.#handle({ type: "ack_failed" });
    }
  }
}

function asStoreError(error: unknown): AnySottoError {
  return error instanceof SottoError ? error : makeError("STORE_FAILED", { cause: error });
}

/** Somebody who is cut off again and again must not be kept away by the limit of look-ups. */
async function checkIdentity(identity: OwnIdentity, signal: AbortSignal): Promise<void> {
  try {
    await identity.check(signal);
  } catch (error) {
    if (!(error instanceof SottoError) || error.code !== "RATE_LIMITED") throw error;
  }
}

import type { LogId, Signal, SyncEvent } from "@sotto/schema";
import { AppError } from "../../errors.ts";
import type { App } from "../../app.ts";
import type { DeviceCaller, SubscriberSocket, SubscriptionCall } from "../../pipeline/call.ts";
import { viewEntry, type LogEntry, type Reader } from "../logs/entries.ts";
import { listLogStates, type LogState } from "../logs/logs.service.ts";
import { readEntries } from "./entries.service.ts";
import { Feed, type FeedEvent, type FeedSink, type FeedSource } from "./feed.ts";
import { closeCodes } from "./hub.ts";

/** A reader that leaves more than this unread is closed, and resumes. */
export const maxBufferedBytes = 1_048_576;
/** A backlog waits, and signals are left out, while more than this is on its way. */
const backlogWindowBytes = 262_144;
const roomPollMs = 20;
/** A reader that takes nothing of a backlog for this long is closed. */
const maxStallMs = 30_000;

/** Puts what a feed delivers into the frames of its door. */
export interface FeedWriter {
  write(event: FeedEvent): void;
}

interface FeedOptions {
  reader: Reader;
  socket: SubscriberSocket;
  resume: boolean;
  writer: FeedWriter;
}

/**
 * What streams a feed to one socket: back-pressure, metrics and the close codes are the same for all doors.
 * One object without closures, since there are many.
 */
export class SocketFeed implements FeedSource, FeedSink, Disposable {
  readonly #app: App;
  readonly #socket: SubscriberSocket;
  readonly #writer: FeedWriter;
  readonly #feed: Feed;

  constructor(app: App, { reader, socket, resume, writer }: FeedOptions) {
    this.#app = app;
    this.#socket = socket;
    this.#writer = writer;
    this.#feed = new Feed({ reader, source: this, sink: this, resume });
    app.hub.attach(socket.connectionId, this.#feed);
    if (resume) resumeDevice(app, reader, socket.connectionId);
  }

  /** Resolves when the backlog is delivered. */
  async start(): Promise<void> {
    await this.#feed.start().catch((error: unknown) => this.fail(error));
  }

  /** Feeds read in turn; one that was closed while it waited reads nothing. */
  listStates(reader: Reader, only?: LogId): Promise<LogState[]> {
    const { db, socketReads } = this.#app;
    return socketReads.run(async () => (this.#feed.isClosed ? [] : listLogStates(db, reader, only)));
  }

  readEntries(reader: Reader, range: { log: LogId; afterSeq: number; limit: number }): Promise<LogEntry[]> {
    const { db, socketReads } = this.#app;
    return socketReads.run(async () => (this.#feed.isClosed ? [] : readEntries(db, reader, range)));
  }

  deliver(event: FeedEvent): void {
    if (event.type === "entry") this.#app.metrics.delivered.inc({ from: event.from });
    this.#writer.write(event);
    if (this.#socket.bufferedBytes() > maxBufferedBytes) this.#endSlow();
  }

  signal(signal: Signal): void {
    if (this.hasRoom()) this.#writer.write(signal);
  }

  hasRoom(): boolean {
    return this.#socket.bufferedBytes() <= backlogWindowBytes;
  }

  async room(): Promise<void> {
    if (!(await waitForRoom(this.#socket))) this.#endSlow();
  }

  fail(error: unknown): void {
    this.#app.log.error({ err: error }, "reading a log for a socket failed");
    this.#end(closeCodes.failed, "try again");
  }

  #endSlow(): void {
    this.#end(closeCodes.tooSlow, "reading too slowly");
  }

  /** A connection that is being closed may take long to go: nothing is read for it any more. */
  #end(code: number, reason: string): void {
    this.#socket.close(code, reason);
    this.#feed.close();
  }

  [Symbol.dispose](): void {
    this.#app.hub.detach(this.#socket.connectionId, this.#feed);
    this.#feed.close();
  }
}

function resumeDevice(app: App, { userId, deviceId }: Reader, connectionId: string): void {
  if (!deviceId) return;
  app.hub.resumeDevice(connectionId, deviceId);
  app.bus.publish({ kind: "device_connected", userId, deviceId, connectionId });
  app.lastSeen.device(userId, deviceId, app.now());
}

/** False when nothing was taken for too long. */
async function waitForRoom(socket: SubscriberSocket): Promise<boolean> {
  let least = socket.bufferedBytes();
  let stalledMs = 0;
  while (socket.bufferedBytes() > backlogWindowBytes) {
    await new Promise((resolve) => setTimeout(resolve, roomPollMs));
    const left = socket.bufferedBytes();
    stalledMs = left < least ? 0 : stalledMs + roomPollMs;
    least = Math.min(least, left);
    if (stalledMs >= maxStallMs) return false;
  }
  return true;
}

/** The tRPC subscription: everything above the device's positions, `caught_up`, then what happens. */
export function subscribe({
  app,
  caller,
  subscriber,
}: SubscriptionCall<DeviceCaller, SyncEvent>): Disposable {
  if (!subscriber) throw new AppError("SUBSCRIPTION_NEEDS_SOCKET");
  const { socket } = subscriber;
  const writer = { write: (event: FeedEvent) => subscriber.send(viewEvent(event, caller)) };
  const feed = new SocketFeed(app, { reader: caller, socket, resume: true, writer });
  void feed.start();
  return feed;
}

function viewEvent(event: FeedEvent, reader: Reader): SyncEvent {
  return event.type === "entry" ? { type: "entry", ...viewEntry(event.entry, reader) } : event;
}

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { RawData } from "ws";
import type { App } from "../../app.ts";
import { AppError } from "../../errors.ts";
import { authenticate } from "../../modules/accounts/authenticate.ts";
import type { FeedEvent } from "../../modules/sync/feed.ts";
import { SocketFeed, type FeedWriter } from "../../modules/sync/subscribe.service.ts";
import type { Caller } from "../../pipeline/call.ts";
import { addressOf, bearerTokenOf, targetOf } from "../http-context.ts";
import { AckQueue } from "./acks.ts";
import { frameOf } from "./frames.ts";
import { writeFrame } from "./outbox.ts";
import type { ServerSocket, SocketHandler } from "./server-socket.ts";
import { admitSocket, closeOf, closeSocket, type AdmittedSocket } from "./sockets.ts";

export const wsPath = "/ws";

/** A WebSocket, and the connection under it. */
export interface Upgraded {
  socket: ServerSocket;
  stream: Duplex;
}

/** Carries out the upgrade; undefined when the client is gone by now. */
export type Upgrade = () => Promise<Upgraded | undefined>;

/**
 * The plain `/ws` (docs/PROTOCOL.md §6). The token is verified and the feed listens before the
 * upgrade is answered: what is sent once the client sees its socket open reaches it.
 */
export function createWsDoor(app: App) {
  return async (request: IncomingMessage, upgrade: Upgrade): Promise<void> => {
    const query = targetOf(request)?.searchParams;
    const token = bearerTokenOf(request) ?? query?.get("token") ?? undefined;
    const resume = query?.get("resume") === "1";
    let caller: Caller;
    let admitted: AdmittedSocket;
    try {
      caller = await app.socketReads.run(() => authenticate(app, token));
      if (resume && !caller.deviceId) throw new AppError("DEVICE_REQUIRED");
      admitted = admitSocket(app, caller);
    } catch (error) {
      const upgraded = await upgrade();
      if (upgraded) closeSocket(app, upgraded.socket, ...closeOf(error));
      return;
    }
    await serve(app, upgrade, { caller, admitted, resume, token: token ?? "", address: addressOf(request) });
  };
}

interface Connection {
  caller: Caller;
  admitted: AdmittedSocket;
  resume: boolean;
  token: string;
  address: string;
}

async function serve(app: App, upgrade: Upgrade, connection: Connection): Promise<void> {
  const handler = new PlainSocket(app, connection);
  const started = handler.feed.start();
  if (!connection.resume) await started;
  const upgraded = await upgrade();
  if (upgraded) handler.open(upgraded);
  else handler.closed();
}

/** Serves one socket; without closures, since there are many. */
class PlainSocket implements SocketHandler, FeedWriter {
  readonly #app: App;
  readonly #connection: Connection;
  readonly feed: SocketFeed;
  #upgraded: Upgraded | undefined;
  /** What is to be sent once the socket is open. */
  #early: FeedEvent[] | undefined = [];
  #acks: AckQueue | undefined;

  constructor(app: App, connection: Connection) {
    const { caller, admitted, resume } = connection;
    this.#app = app;
    this.#connection = connection;
    this.feed = new SocketFeed(app, { reader: caller, socket: admitted, resume, writer: this });
  }

  open(upgraded: Upgraded): void {
    this.#upgraded = upgraded;
    upgraded.socket.serve(this);
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const event of early) this.write(event);
    this.#connection.admitted.bind(upgraded.socket);
  }

  write(event: FeedEvent): void {
    if (!this.#upgraded) return void this.#early?.push(event);
    const { socket, stream } = this.#upgraded;
    if (socket.readyState !== socket.OPEN) return;
    const frame = frameOf(event, this.#connection.caller, this.#connection);
    if (frame) writeFrame(stream, frame);
  }

  /** Of what a client sends, `ack` and `ping` count; the rest is ignored. */
  receive(data: RawData, isBinary: boolean): void {
    const frame = isBinary ? undefined : parseFrame(data);
    if (frame?.["type"] === "ping") this.#upgraded?.socket.send('{"type":"pong"}');
    else if (frame?.["type"] === "ack") this.#takeAck(frame);
  }

  #takeAck(frame: object): void {
    const { token, address, admitted } = this.#connection;
    this.#acks ??= new AckQueue(this.#app, { token, address, requestId: admitted.connectionId });
    this.#acks.add(frame);
  }

  ping(): void {
    this.#upgraded?.socket.ping();
  }

  closed(): void {
    this.feed[Symbol.dispose]();
    this.#connection.admitted.release();
  }
}

function parseFrame(data: RawData): Record<string, unknown> | undefined {
  try {
    const frame: unknown = JSON.parse(Buffer.isBuffer(data) ? data.toString() : "");
    return typeof frame === "object" && frame !== null ? { ...frame } : undefined;
  } catch {
    return undefined;
  }
}

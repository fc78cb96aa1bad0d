import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { RawData, WebSocket } from "ws";
import type { App } from "../../app.ts";
import { AppError } from "../../errors.ts";
import { authenticate } from "../../modules/accounts/authenticate.ts";
import type { FeedEvent } from "../../modules/sync/feed.ts";
import { openFeed } from "../../modules/sync/subscribe.service.ts";
import type { Caller } from "../../pipeline/call.ts";
import { addressOf, bearerTokenOf, targetOf } from "../http-context.ts";
import { AckQueue } from "./acks.ts";
import { frameOf } from "./frames.ts";
import { writeFrame } from "./outbox.ts";
import { admitSocket, closeOf, closeSocket, watchSocket, type AdmittedSocket } from "./sockets.ts";

export const wsPath = "/ws";
const pingMs = 30_000;

/** A WebSocket, and the connection under it. */
export interface Upgraded {
  socket: WebSocket;
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
  const { caller, admitted, resume, token, address } = connection;
  const early: FeedEvent[] = [];
  let deliver = (event: FeedEvent): void => void early.push(event);
  const feed = openFeed(app, {
    reader: caller,
    socket: admitted,
    resume,
    deliver: (event) => deliver(event),
  });
  if (!resume) await feed.started;
  const upgraded = await upgrade();
  if (!upgraded) {
    feed[Symbol.dispose]();
    admitted.release();
    return;
  }
  const { socket, stream } = upgraded;
  watchSocket(app, socket, "ws");
  keepAlive(socket);
  socket.on("close", () => feed[Symbol.dispose]());
  listen(socket, new AckQueue(app, { token, address, requestId: admitted.connectionId }));
  deliver = (event) => {
    if (socket.readyState !== socket.OPEN) return;
    const frame = frameOf(event, caller, { resume });
    if (frame) writeFrame(stream, frame);
  };
  for (const event of early.splice(0)) deliver(event);
  admitted.bind(socket);
}

/** Of what a client sends, `ack` and `ping` count; the rest is ignored. */
function listen(socket: WebSocket, acks: AckQueue): void {
  socket.on("message", (data: RawData, isBinary: boolean) => {
    const frame = isBinary ? undefined : parseFrame(data);
    if (frame?.["type"] === "ping") socket.send('{"type":"pong"}');
    else if (frame?.["type"] === "ack") acks.add(frame);
  });
}

function parseFrame(data: RawData): Record<string, unknown> | undefined {
  try {
    const frame: unknown = JSON.parse(Buffer.isBuffer(data) ? data.toString() : "");
    return typeof frame === "object" && frame !== null ? { ...frame } : undefined;
  } catch {
    return undefined;
  }
}

/** Ends sockets whose other side is gone without a word. */
function keepAlive(socket: WebSocket): void {
  let isAlive = true;
  socket.on("pong", () => (isAlive = true));
  socket.on("message", () => (isAlive = true));
  const timer = setInterval(() => {
    if (!isAlive) {
      socket.terminate();
      return;
    }
    isAlive = false;
    socket.ping();
  }, pingMs);
  socket.on("close", () => clearInterval(timer));
}

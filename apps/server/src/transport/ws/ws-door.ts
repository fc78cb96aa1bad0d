import type { IncomingMessage } from "node:http";
import type { RawData, WebSocket } from "ws";
import type { App } from "../../app.ts";
import { authenticate } from "../../modules/accounts/authenticate.ts";
import { closeCodes } from "../../modules/sync/hub.ts";
import { openFeed } from "../../modules/sync/subscribe.service.ts";
import type { Caller } from "../../pipeline/call.ts";
import { addressOf, bearerTokenOf, targetOf } from "../http-context.ts";
import { AckQueue } from "./acks.ts";
import { toFrames } from "./frames.ts";
import { admitSocket, watchSocket } from "./sockets.ts";

export const wsPath = "/ws";
const pingMs = 30_000;
const maxEarlyFrames = 100;

/** The plain `/ws` of wire-contract §3. */
export function createWsDoor(app: App) {
  return (socket: WebSocket, request: IncomingMessage): void => {
    watchSocket(app, socket, "ws");
    keepAlive(socket);
    const query = targetOf(request)?.searchParams;
    const token = bearerTokenOf(request) ?? query?.get("token") ?? undefined;
    const frames = bufferFrames(socket);
    authenticate(app, token)
      .then((caller) => {
        const resume = query?.get("resume") === "1";
        if (resume && !caller.deviceId) {
          socket.close(closeCodes.deviceRemoved, "this token has published no device");
          return;
        }
        serve(app, socket, { caller, resume, token: token ?? "", address: addressOf(request), frames });
      })
      .catch((error: unknown) => {
        app.log.debug({ err: error }, "a socket was refused");
        socket.close(closeCodes.token, "not authenticated");
      });
  };
}

interface Served {
  caller: Caller;
  resume: boolean;
  token: string;
  address: string;
  frames: FrameBuffer;
}

function serve(app: App, socket: WebSocket, { caller, resume, token, address, frames }: Served): void {
  const admitted = admitSocket(app, socket, { caller });
  const log = app.log.child({ requestId: admitted.connectionId });
  const acks = new AckQueue(app, { token, address, log });
  frames.onFrame((frame) => {
    if (frame["type"] === "ping") socket.send('{"type":"pong"}');
    else if (frame["type"] === "ack") acks.add(frame);
  });
  const feed = openFeed(app, {
    reader: caller,
    socket: admitted,
    resume,
    deliver: (event) => {
      if (socket.readyState !== socket.OPEN) return;
      for (const frame of toFrames(event, caller, { resume })) socket.send(JSON.stringify(frame));
    },
  });
  socket.once("close", () => feed[Symbol.dispose]());
}

interface FrameBuffer {
  onFrame(listener: (frame: Record<string, unknown>) => void): void;
}

/** Keeps what arrives while the token is being verified. What is no JSON object is ignored. */
function bufferFrames(socket: WebSocket): FrameBuffer {
  const early: Record<string, unknown>[] = [];
  let listener: ((frame: Record<string, unknown>) => void) | undefined;
  socket.on("message", (data: RawData, isBinary: boolean) => {
    const frame = isBinary ? undefined : parseFrame(data);
    if (!frame) return;
    if (listener) listener(frame);
    else if (early.length < maxEarlyFrames) early.push(frame);
  });
  return {
    onFrame: (added) => {
      listener = added;
      for (const frame of early.splice(0)) added(frame);
    },
  };
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
  socket.once("close", () => clearInterval(timer));
}

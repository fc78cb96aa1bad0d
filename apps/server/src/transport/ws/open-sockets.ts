import type { RawData, WebSocket } from "ws";
import type { App } from "../../app.ts";
import { closeCodes } from "../../modules/sync/hub.ts";
import { ServerSocket, type SocketDoor } from "./server-socket.ts";
import { closeSocket } from "./sockets.ts";

const maxFramesPerSecond = 200;
const turnMs = 1_000;
/** Each socket is pinged every 30 s, but not all in one turn: that would hold up everything else. */
const turns = 30;

/** The sockets of this process that are open. */
export interface OpenSockets {
  /** Counts the socket, keeps it alive and limits what it sends. Called at once when it is upgraded. */
  add(socket: ServerSocket, door: SocketDoor): void;
  terminateAll(): void;
  stop(): void;
}

export function createOpenSockets(app: Pick<App, "metrics">): OpenSockets {
  const open = new Set<ServerSocket>();
  let turn = 0;
  let lastTurnGiven = 0;

  function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
    if (!(this instanceof ServerSocket)) return;
    this.isAlive = true;
    if (countFrame(this) > maxFramesPerSecond) {
      closeSocket(app, this, closeCodes.tooManyFrames, "too many frames");
    } else this.handler?.receive(data, isBinary);
  }

  function onClose(this: WebSocket): void {
    if (!(this instanceof ServerSocket)) return;
    open.delete(this);
    app.metrics.sockets.dec({ door: this.door });
    this.handler?.closed();
  }

  /** Ends sockets whose other side is gone without a word. */
  const timer = setInterval(() => {
    turn = (turn + 1) % turns;
    for (const socket of open) {
      if (socket.turn !== turn) continue;
      if (socket.isAlive) socket.handler?.ping();
      else socket.terminate();
      socket.isAlive = false;
    }
  }, turnMs);

  return {
    add(socket, door) {
      socket.door = door;
      socket.turn = lastTurnGiven = (lastTurnGiven + 1) % turns;
      open.add(socket);
      app.metrics.sockets.inc({ door });
      socket.on("message", onMessage).on("pong", noteLife).on("error", ignore).on("close", onClose);
    },
    terminateAll() {
      for (const socket of open) socket.terminate();
    },
    stop: () => clearInterval(timer),
  };
}

function countFrame(socket: ServerSocket): number {
  const second = Math.floor(performance.now() / 1000);
  if (socket.second !== second) socket.frames = 0;
  socket.second = second;
  return ++socket.frames;
}

function noteLife(this: WebSocket): void {
  if (this instanceof ServerSocket) this.isAlive = true;
}

/** A broken frame closes the socket; there is nobody to tell. */
function ignore(): void {}

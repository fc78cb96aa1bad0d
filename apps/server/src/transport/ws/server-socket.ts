import { WebSocket, type RawData } from "ws";

/** What a door does for one of its sockets. */
export interface SocketHandler {
  receive(data: RawData, isBinary: boolean): void;
  /** Asks for a sign of life, in the way of the door. */
  ping(): void;
  /** The socket is gone. May be called twice. */
  closed(): void;
}

export type SocketDoor = "ws" | "trpc";

/**
 * A WebSocket and what this process notes of it. The listeners of all sockets are the same functions, which
 * find here what is the socket's own (ADR 0021).
 */
export class ServerSocket extends WebSocket {
  door: SocketDoor = "ws";
  handler: SocketHandler | undefined = undefined;
  /** Something came since the last ping. */
  isAlive = true;
  /** The turn of the keep-alive in which it is pinged. */
  turn = 0;
  /** How many frames came in the second that is named beside it. */
  frames = 0;
  second = 0;

  /** What comes from now on is the handler's. */
  serve(handler: SocketHandler): void {
    this.handler = handler;
    if (this.readyState !== this.OPEN) handler.closed();
  }
}

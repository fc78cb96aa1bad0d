import { v7 as uuidv7 } from "uuid";
import type { WebSocket } from "ws";
import type { App } from "../../app.ts";
import { AppError } from "../../errors.ts";
import { closeCodes } from "../../modules/sync/hub.ts";
import type { Caller, SubscriberSocket } from "../../pipeline/call.ts";

const maxFramesPerSecond = 200;

/** Counts a socket and closes one that sends too many frames. */
export function watchSocket(app: App, socket: WebSocket, door: string): void {
  app.metrics.sockets.inc({ door });
  socket.once("close", () => app.metrics.sockets.dec({ door }));
  // A broken frame closes the socket; there is nobody to tell.
  socket.on("error", () => {});
  let frames = 0;
  let windowStart = Date.now();
  socket.on("message", () => {
    const now = Date.now();
    if (now - windowStart >= 1000) {
      windowStart = now;
      frames = 0;
    }
    if (++frames > maxFramesPerSecond) socket.close(closeCodes.tooManyFrames, "too many frames");
  });
}

/**
 * Registers an authenticated socket with the hub until it closes: expiry, logout and the removal
 * of its device close it. Throws `TOO_MANY_CONNECTIONS`.
 */
export function admitSocket(
  app: App,
  socket: WebSocket,
  who: { caller: Caller; id?: string },
): SubscriberSocket {
  const { userId, sessionId, expiresAt } = who.caller;
  const connectionId = uuidv7();
  const close = (code: number, reason: string): void => {
    if (socket.readyState !== socket.OPEN) return;
    app.metrics.closed.inc({ code });
    socket.close(code, reason);
  };
  const isAdmitted = app.hub.add({ id: connectionId, userId, sessionId, expiresAt, close });
  if (!isAdmitted) {
    close(closeCodes.tryLater, "too many connections");
    throw new AppError("TOO_MANY_CONNECTIONS");
  }
  socket.once("close", () => app.hub.remove(connectionId));
  if (socket.readyState !== socket.OPEN) app.hub.remove(connectionId);
  return { connectionId, bufferedBytes: () => socket.bufferedAmount, close };
}

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
  socket.on("close", () => app.metrics.sockets.dec({ door }));
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
    if (++frames > maxFramesPerSecond) closeSocket(app, socket, closeCodes.tooManyFrames, "too many frames");
  });
}

export function closeSocket(app: App, socket: WebSocket, ...[code, reason]: [number, string]): void {
  if (socket.readyState !== socket.OPEN) return;
  app.metrics.closed.inc({ code });
  socket.close(code, reason);
}

/** How a socket that is refused is closed. */
export function closeOf(error: unknown): [code: number, reason: string] {
  if (!(error instanceof AppError)) return [closeCodes.failed, "try again"];
  if (error.code === "DEVICE_REQUIRED") return [closeCodes.deviceRemoved, error.message];
  if (error.code === "TOO_MANY_CONNECTIONS") return [closeCodes.tryLater, error.message];
  return [closeCodes.token, error.message];
}

/** What the hub and the feeds know of a socket; it may still be on its way through the upgrade. */
export interface AdmittedSocket extends SubscriberSocket {
  /** The upgrade is done. A close that came meanwhile is carried out now. */
  bind(socket: WebSocket): void;
  /** Takes the socket out of the hub. */
  release(): void;
}

/**
 * A UUIDv7 that sorts behind every earlier one of this process, also of the same millisecond, which those of
 * `node:crypto` do not: by it the hub knows which connection of a device is the newest.
 */
export const newConnectionId = (): string => uuidv7();

/**
 * Registers an authenticated socket with the hub until it closes: expiry, logout and the removal
 * of its device close it. Throws `TOO_MANY_CONNECTIONS`.
 */
export function admitSocket(app: App, { userId, sessionId, deviceId, expiresAt }: Caller): AdmittedSocket {
  const connectionId = newConnectionId();
  let bound: WebSocket | undefined;
  let earlyClose: [number, string] | undefined;
  const close = (code: number, reason: string): void => {
    if (bound) closeSocket(app, bound, code, reason);
    else earlyClose ??= [code, reason];
  };
  if (!app.hub.add({ id: connectionId, userId, sessionId, deviceId, expiresAt, close })) {
    throw new AppError("TOO_MANY_CONNECTIONS");
  }
  const release = (): void => app.hub.remove(connectionId);
  return {
    connectionId,
    bufferedBytes: () => bound?.bufferedAmount ?? 0,
    close,
    release,
    bind: (socket) => {
      bound = socket;
      socket.on("close", release);
      if (socket.readyState !== socket.OPEN) release();
      if (earlyClose) close(...earlyClose);
    },
  };
}

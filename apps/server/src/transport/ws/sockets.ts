import { v7 as uuidv7 } from "uuid";
import type { WebSocket } from "ws";
import type { App } from "../../app.ts";
import { AppError } from "../../errors.ts";
import { closeCodes, type Connection } from "../../modules/sync/hub.ts";
import type { Caller, SubscriberSocket } from "../../pipeline/call.ts";

export function closeSocket(
  app: Pick<App, "metrics">,
  socket: WebSocket,
  ...[code, reason]: [number, string]
): void {
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

/**
 * A UUIDv7 that sorts behind every earlier one of this process, also of the same millisecond, which those of
 * `node:crypto` do not: by it the hub knows which connection of a device is the newest.
 */
export const newConnectionId = (): string => uuidv7();

/**
 * An authenticated socket as the hub and the feeds know it: expiry, logout and the removal of its device
 * close it. It may still be on its way through the upgrade.
 */
export class AdmittedSocket implements Connection, SubscriberSocket {
  readonly connectionId = newConnectionId();
  readonly caller: Caller;
  readonly #app: App;
  #socket: WebSocket | undefined;
  #earlyClose: [code: number, reason: string] | undefined;

  constructor(app: App, caller: Caller) {
    this.#app = app;
    this.caller = caller;
  }

  bufferedBytes(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  close(code: number, reason: string): void {
    if (this.#socket) closeSocket(this.#app, this.#socket, code, reason);
    else this.#earlyClose ??= [code, reason];
  }

  /** The upgrade is done. A close that came meanwhile is carried out now. */
  bind(socket: WebSocket): void {
    this.#socket = socket;
    if (this.#earlyClose) this.close(...this.#earlyClose);
  }

  release(): void {
    this.#app.hub.remove(this.connectionId);
  }
}

/** Takes the socket of a verified token into the hub until it is released. Throws `TOO_MANY_CONNECTIONS`. */
export function admitSocket(app: App, caller: Caller): AdmittedSocket {
  const admitted = new AdmittedSocket(app, caller);
  if (!app.hub.add(admitted)) throw new AppError("TOO_MANY_CONNECTIONS");
  return admitted;
}

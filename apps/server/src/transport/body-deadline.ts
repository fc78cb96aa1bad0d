import type { IncomingMessage, ServerResponse } from "node:http";

const deadlineMs = 30_000;

const timers = new WeakMap<IncomingMessage, NodeJS.Timeout>();

/**
 * Cuts a request whose body is not here in time. Node's own `requestTimeout` holds for all requests
 * alike; this one a door lifts where a body may honestly take longer.
 */
export function startBodyDeadline(request: IncomingMessage, response: ServerResponse): void {
  if (!request.headers["content-length"] && !request.headers["transfer-encoding"]) return;
  const cut = (): void => {
    if (request.complete) return;
    if (!response.headersSent) {
      request.socket.write("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }
    request.destroy();
  };
  const timer = setTimeout(cut, deadlineMs);
  timers.set(request, timer);
  request.once("close", () => clearTimeout(timer));
}

/** For a body whose pace is watched by its reader. */
export function liftBodyDeadline(request: IncomingMessage): void {
  clearTimeout(timers.get(request));
}

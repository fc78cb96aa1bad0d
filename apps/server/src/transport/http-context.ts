import { randomUUIDv7 } from "node:crypto";
import type { IncomingMessage } from "node:http";

const requestIds = new WeakMap<IncomingMessage, string>();

/** The request's own id where it sent a sound one (1 to 128 visible ASCII characters), else one that is made once. */
export function requestIdOf(request: IncomingMessage): string {
  const known = requestIds.get(request);
  if (known !== undefined) return known;
  const given = request.headers["x-request-id"];
  const id = typeof given === "string" && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUIDv7();
  requestIds.set(request, id);
  return id;
}

/** The token of `Authorization: Bearer …`; undefined when the header is missing or malformed. */
export function bearerTokenOf(request: IncomingMessage): string | undefined {
  return /^Bearer +([\w.~+/=-]+)$/i.exec(request.headers.authorization ?? "")?.[1];
}

export function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? "unknown";
}

/** Path and query of a request, or undefined for a target that is no path. */
export function targetOf(request: IncomingMessage): URL | undefined {
  const target = request.url ?? "";
  return (
    (target.startsWith("/") ? URL.parse(`http://localhost${target.replace(/^\/+/, "/")}`) : null) ?? undefined
  );
}

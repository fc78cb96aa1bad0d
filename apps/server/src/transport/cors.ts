import type { IncomingMessage, ServerResponse } from "node:http";
import type { Config } from "../config.ts";

const allowedMethods = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
const exposedHeaders = "X-Request-ID, Retry-After, Content-Disposition, Content-Range, ETag";
const maxAgeSecs = "86400";

export function isOriginAllowed(config: Config, origin: string): boolean {
  return config.ALLOWED_ORIGINS.includes("*") || config.ALLOWED_ORIGINS.includes(origin);
}

/** Adds the CORS headers for an allowed origin; answers a preflight itself and then gives true. */
export function handleCors(config: Config, request: IncomingMessage, response: ServerResponse): boolean {
  const { origin } = request.headers;
  if (!origin) return false;
  response.setHeader("vary", "Origin");
  const isAllowed = isOriginAllowed(config, origin);
  if (isAllowed) {
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-expose-headers", exposedHeaders);
  }
  if (request.method !== "OPTIONS" || !request.headers["access-control-request-method"]) return false;
  if (isAllowed) {
    response.setHeader("access-control-allow-methods", allowedMethods);
    response.setHeader(
      "access-control-allow-headers",
      request.headers["access-control-request-headers"] ?? "",
    );
    response.setHeader("access-control-max-age", maxAgeSecs);
  }
  response.writeHead(204).end();
  return true;
}

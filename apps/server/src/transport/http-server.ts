import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { App } from "../app.ts";
import { startBodyDeadline } from "./body-deadline.ts";
import { handleCors } from "./cors.ts";
import { requestIdOf, targetOf } from "./http-context.ts";
import { createOperationsDoor } from "./operations-door.ts";
import { createRestDoor } from "./rest/rest-door.ts";
import { createTrpcHttpDoor, trpcPath } from "./trpc/trpc-door.ts";
import { createTrpcRouter } from "./trpc/trpc-router.ts";
import { serveSockets } from "./ws/upgrades.ts";

const headersTimeoutMs = 10_000;
const keepAliveMs = 65_000;

export interface HttpServer {
  server: Server;
  /** Ends what is still connected, without a word. */
  cut: () => void;
}

/** One HTTP server with all doors: REST, tRPC over HTTP and WebSocket, `/ws`, and operations. */
export function createHttpServer(app: App): HttpServer {
  const router = createTrpcRouter(app);
  const doors = {
    operations: createOperationsDoor(app),
    rest: createRestDoor(app),
    trpc: createTrpcHttpDoor(router),
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    startBodyDeadline(request, response);
    response.setHeader("x-request-id", requestIdOf(request));
    if (handleCors(app.config, request, response)) return;
    const path = targetOf(request)?.pathname ?? "";
    if (path.startsWith(`${trpcPath}/`)) doors.trpc(request, response);
    else if (!(await doors.operations(request, response, path))) await doors.rest(request, response);
  };
  const server = createServer(
    // Bodies have a deadline of their own, which uploads may exceed.
    { requestTimeout: 0, headersTimeout: headersTimeoutMs, keepAliveTimeout: keepAliveMs },
    (request, response) => {
      handle(request, response).catch((error: unknown) => {
        app.log.error({ err: error }, "answering a request failed");
        response.destroy();
      });
    },
  );
  server.on("clientError", refuseUnreadable);
  const sockets = serveSockets(app, server, router);
  return {
    server,
    cut: () => {
      server.closeAllConnections();
      sockets.cut();
    },
  };
}

/** What Node could not read as a request is answered in the form of every other error. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, reason] = unreadable[error.code ?? ""] ?? [400, "Bad Request"];
  const body = JSON.stringify({ detail: reason });
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const unreadable: Record<string, [status: number, reason: string]> = {
  HPE_HEADER_OVERFLOW: [431, "Request Header Fields Too Large"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout"],
};

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { App } from "../app.ts";
import { startBodyDeadline } from "./body-deadline.ts";
import { handleCors, isOriginAllowed } from "./cors.ts";
import { requestIdOf, targetOf } from "./http-context.ts";
import { createOperationsDoor } from "./operations-door.ts";
import { maxJsonBytes } from "./rest/body.ts";
import { createRestDoor } from "./rest/rest-door.ts";
import { createTrpcHttpDoor, createTrpcWsDoor, trpcPath } from "./trpc/trpc-door.ts";
import { createTrpcRouter } from "./trpc/trpc-router.ts";
import { createWsDoor, wsPath, type Upgraded } from "./ws/ws-door.ts";

const maxWsFrameBytes = 65_536;
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
  const upgraded = serveSockets(app, server, router);
  return {
    server,
    cut: () => {
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
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

/** Serves upgrades; gives the sockets that are open, which the HTTP server no longer counts as its own. */
function serveSockets(app: App, server: Server, router: ReturnType<typeof createTrpcRouter>): Set<Duplex> {
  const upgraded = new Set<Duplex>();
  const options = { noServer: true, perMessageDeflate: false, clientTracking: false };
  const trpc = new WebSocketServer({ ...options, maxPayload: maxJsonBytes });
  const plain = new WebSocketServer({ ...options, maxPayload: maxWsFrameBytes });
  const serveTrpc = createTrpcWsDoor(app, trpc, router);
  const servePlain = createWsDoor(app);

  server.on("upgrade", (request, socket, head) => {
    hold(upgraded, socket);
    const path = targetOf(request)?.pathname;
    if (path !== trpcPath && path !== wsPath) return refuseUpgrade(socket, "404 Not Found");
    const { origin } = request.headers;
    if (origin && !isOriginAllowed(app.config, origin)) return refuseUpgrade(socket, "403 Forbidden");
    if (path === trpcPath) {
      trpc.handleUpgrade(request, socket, head, (ws) => serveTrpc(ws, request));
      return;
    }
    servePlain(request, () => upgrade(plain, request, { socket, head })).catch((error: unknown) => {
      app.log.error({ err: error }, "serving a socket failed");
      socket.destroy();
    });
  });
  return upgraded;
}

function upgrade(
  wss: WebSocketServer,
  request: IncomingMessage,
  { socket: stream, head }: { socket: Duplex; head: Buffer },
): Promise<Upgraded | undefined> {
  if (stream.destroyed) return Promise.resolve(undefined);
  const { promise, resolve } = Promise.withResolvers<Upgraded | undefined>();
  // A handshake that is refused ends the connection, and nothing is served.
  const giveUp = (): void => resolve(undefined);
  stream.once("close", giveUp);
  wss.handleUpgrade(request, stream, head, (socket) => {
    stream.off("close", giveUp);
    resolve({ socket, stream });
  });
  return promise;
}

/** Apart from the handler: these listeners live as long as the socket, and would keep its request with them. */
function hold(upgraded: Set<Duplex>, socket: Duplex): void {
  // A client that resets the connection while it is upgraded must not end the process.
  socket.on("error", () => socket.destroy());
  upgraded.add(socket);
  socket.on("close", () => upgraded.delete(socket));
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

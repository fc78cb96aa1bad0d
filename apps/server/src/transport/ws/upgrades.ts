import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { App } from "../../app.ts";
import { isOriginAllowed } from "../cors.ts";
import { targetOf } from "../http-context.ts";
import { maxJsonBytes } from "../rest/body.ts";
import { trpcPath } from "../trpc/trpc-door.ts";
import type { TrpcRouter } from "../trpc/trpc-router.ts";
import { TrpcSocket } from "../trpc/trpc-socket.ts";
import { createOpenSockets } from "./open-sockets.ts";
import { ServerSocket, type SocketDoor } from "./server-socket.ts";
import { createWsDoor, wsPath, type Upgraded } from "./ws-door.ts";

const maxWsFrameBytes = 65_536;

/** Serves the upgrades of a server; what is upgraded it no longer counts as its own, and is cut here. */
export function serveSockets(app: App, server: Server, router: TrpcRouter): { cut: () => void } {
  const upgrading = new Set<Duplex>();
  const open = createOpenSockets(app);
  server.on("close", () => open.stop());

  const options = {
    noServer: true,
    perMessageDeflate: false,
    clientTracking: false,
    WebSocket: ServerSocket,
  };
  const servers = {
    trpc: new WebSocketServer({ ...options, maxPayload: maxJsonBytes }),
    ws: new WebSocketServer({ ...options, maxPayload: maxWsFrameBytes }),
  };
  const servePlain = createWsDoor(app);

  server.on("upgrade", (request, stream, head) => {
    const release = hold(upgrading, stream);
    const path = targetOf(request)?.pathname;
    if (path !== trpcPath && path !== wsPath) return refuseUpgrade(stream, "404 Not Found");
    const { origin } = request.headers;
    if (origin && !isOriginAllowed(app.config, origin)) return refuseUpgrade(stream, "403 Forbidden");
    const take = (door: SocketDoor, serve: (socket: ServerSocket) => void): void => {
      servers[door].handleUpgrade(request, stream, head, (socket) => {
        release();
        open.add(socket, door);
        serve(socket);
      });
    };
    if (path === trpcPath)
      return take("trpc", (socket) => socket.serve(new TrpcSocket({ app, router, socket, request })));
    const upgrade = (): Promise<Upgraded | undefined> => {
      if (stream.destroyed) return Promise.resolve(undefined);
      const { promise, resolve } = Promise.withResolvers<Upgraded | undefined>();
      // A handshake that is refused ends the connection, and nothing is served.
      const giveUp = (): void => resolve(undefined);
      stream.once("close", giveUp);
      take("ws", (socket) => {
        stream.off("close", giveUp);
        resolve({ socket, stream });
      });
      return promise;
    };
    servePlain(request, upgrade).catch((error: unknown) => {
      app.log.error({ err: error }, "serving a socket failed");
      stream.destroy();
    });
  });
  return {
    cut: () => {
      for (const stream of upgrading) stream.destroy();
      open.terminateAll();
    },
  };
}

/** A client that resets the connection while it is upgraded must not end the process. Gives what ends the watch. */
function hold(upgrading: Set<Duplex>, stream: Duplex): () => void {
  const fail = (): void => void stream.destroy();
  const forget = (): void => void upgrading.delete(stream);
  upgrading.add(stream);
  stream.on("error", fail).on("close", forget);
  return () => {
    forget();
    stream.off("error", fail).off("close", forget);
  };
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

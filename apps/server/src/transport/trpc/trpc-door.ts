import type { IncomingMessage, ServerResponse } from "node:http";
import type { TRPCError } from "@trpc/server";
import { createHTTPHandler } from "@trpc/server/adapters/standalone";
import { getWSConnectionHandler } from "@trpc/server/adapters/ws";
import type { WebSocket, WebSocketServer } from "ws";
import type { App } from "../../app.ts";
import { AppError, retryAfterOf } from "../../errors.ts";
import { authenticate } from "../../modules/accounts/authenticate.ts";
import { closeCodes } from "../../modules/sync/hub.ts";
import { addressOf, bearerTokenOf, requestIdOf } from "../http-context.ts";
import { maxJsonBytes } from "../rest/body.ts";
import type { ServerSocket } from "../ws/server-socket.ts";
import { admitSocket, closeOf, closeSocket } from "../ws/sockets.ts";
import { toTrpcError } from "./trpc-errors.ts";
import type { createTrpcRouter, TrpcContext } from "./trpc-router.ts";

export const trpcPath = "/trpc";
const maxBatchSize = 50;
/** A socket that has not shown a token by then is closed. */
const authenticationMs = 10_000;

type Router = ReturnType<typeof createTrpcRouter>;

/** tRPC over HTTP, by the official adapter. */
export function createTrpcHttpDoor(router: Router) {
  const handle = createHTTPHandler<Router>({
    router,
    basePath: `${trpcPath}/`,
    maxBodySize: maxJsonBytes,
    maxBatchSize,
    responseMeta: ({ errors }) => ({ headers: headersOf(errors) }),
    createContext: ({ req }): TrpcContext => {
      const requestId = requestIdOf(req);
      return {
        token: bearerTokenOf(req),
        address: addressOf(req),
        requestId,
        door: "trpc_http",
      };
    },
  });
  return (request: IncomingMessage, response: ServerResponse): void => handle(request, response);
}

/** A batch that met several limits is to wait for the longest. */
function headersOf(errors: readonly TRPCError[]): Record<string, string> {
  const seconds = errors.map(({ cause }) => (cause instanceof AppError ? retryAfterOf(cause) : 0));
  const longest = Math.max(0, ...seconds);
  return longest > 0 ? { "retry-after": String(longest) } : {};
}

/** tRPC over WebSocket, by the official adapter. A socket is one verified token, for as long as that is good. */
export function createTrpcWsDoor(app: App, wss: WebSocketServer, router: Router) {
  const unauthenticated = new WeakMap<WebSocket, NodeJS.Timeout>();
  const handle = getWSConnectionHandler<Router>({
    wss,
    router,
    maxBatchSize,
    keepAlive: { enabled: true, pingMs: 30_000, pongWaitMs: 10_000 },
    createContext: async ({ req, res: socket, info }): Promise<TrpcContext> => {
      const requestId = requestIdOf(req);
      try {
        const token = info.connectionParams?.["token"] ?? bearerTokenOf(req);
        clearTimeout(unauthenticated.get(socket));
        const caller = await app.socketReads.run(() => authenticate(app, token));
        const admitted = admitSocket(app, caller);
        admitted.bind(socket);
        socket.once("close", () => admitted.release());
        return { token, address: addressOf(req), requestId, door: "trpc_ws", socket: admitted };
      } catch (error) {
        closeSocket(app, socket, ...trpcCloseOf(error));
        throw toTrpcError(error);
      }
    },
  });
  return (socket: ServerSocket, request: IncomingMessage): void => {
    const close = (): void => closeSocket(app, socket, closeCodes.tryLater, "no token came");
    const timer = setTimeout(close, authenticationMs);
    unauthenticated.set(socket, timer);
    socket.once("close", () => clearTimeout(timer));
    handle(socket, request);
  };
}

/** The SDK is told that its device was removed; on the plain `/ws` that is a bad token like others. */
function trpcCloseOf(error: unknown): [code: number, reason: string] {
  const isRemoved = error instanceof AppError && error.code === "TOKEN_DEVICE_REMOVED";
  return isRemoved ? [closeCodes.deviceRemoved, "device removed"] : closeOf(error);
}
